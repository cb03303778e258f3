"""Recoverability: the model's own correct thinking is cut and followed by a distractor (paper, section 2.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from offtraj._util.digest import rank
from offtraj.errors import BuildError
from offtraj.grading.grader import Statements
from offtraj.model.trajectory import first_paragraph
from offtraj.run.question import Question
from offtraj.run.row import Segment, SteeredRow
from offtraj.run.solo import SoloSample, SolveRate
from offtraj.spec import ModelSpec, RecoverabilitySpec, Spec, Subset, TestName
from offtraj_builders.composition import transition
from offtraj_builders.cut import cut_own, cut_steer
from offtraj_builders.definition import Axis, TestDefinition, Variant
from offtraj_builders.inputs import BuildInputs, Draft, finish, qualifying, unhelpful, unusable
from offtraj_builders.selection import SelectionCounts, SelectionOf, preference, spread
from offtraj_builders.sentences import SentenceEnds

__all__ = ["RECOVERABILITY", "Recoverability"]

TEST: TestName = "recoverability"


class _Distractor(NamedTuple):
    """The beginning of a trajectory on another question, cut."""

    segment: Segment
    question: Question
    stated: Statements
    """The values that it states, to see whether it reveals an answer."""


@dataclass(frozen=True)
class _Pool:
    """The distractors that one variant selects from."""

    distractors: Sequence[_Distractor]
    ids: Sequence[bytes]


class Recoverability:
    """The recoverability set of one model: its selections with their counts, and its rows.

    All positions of a trajectory have the same distractor, so that they differ in nothing else.
    """

    def __init__(self, inputs: BuildInputs, spec: RecoverabilitySpec, model: str) -> None:
        """Select trajectories and distractors.

        Raises:
            BuildError: when every distractor is about the same question as the trajectories.
        """
        self._inputs, self._spec, self._model = inputs, spec, model
        self._seed = inputs.spec.seed
        self.selection_counts: list[SelectionCounts] = []
        self.shared: frozenset[str] = frozenset()
        self._allowed: tuple[tuple[str, str], list[_Distractor]] | None = None  # of the question in hand
        self._picks = self._pick_own()
        self._pools = {variant: self._pool(variant) for variant in ("default", "cross-model") if self._needs(variant)}

    async def rows(self) -> AsyncIterator[SteeredRow]:
        """The rows, by question, trajectory, variant and position."""
        counts = self._counts("rows")
        order = {question.id: at for at, question in enumerate(self._inputs.questions)}
        picks = sorted(self._picks.items(), key=lambda pick: (order[pick[0].question_id], pick[0].number))
        for sample, subsets in picks:
            question = self._inputs.by_id[sample.question_id]
            drafts = self._drafts(sample, question, subsets, counts)
            for row in finish(self._inputs, TEST, self._model, question, drafts, counts):
                yield row

    def _counts(self, of: SelectionOf, subset: Subset | None = None, variant: str | None = None) -> SelectionCounts:
        counts = SelectionCounts(TEST, self._model, variant, subset, of)
        self.selection_counts.append(counts)
        return counts

    def _needs(self, pool: str) -> bool:
        return bool(self._picks) and any((v == "cross-model") == (pool == "cross-model") for v in self._spec.variants)

    def _pick_own(self) -> dict[SoloSample, tuple[Subset, ...]]:
        """The drawn correct trajectories of the model, each with its subsets."""
        picks: dict[SoloSample, tuple[Subset, ...]] = {}
        solo = self._inputs.solos[self._model]
        for subset in self._spec.subsets:
            reason = _not_always_solved if subset == "shared" else _never_solved
            questions = qualifying(self._inputs, self._spec, self._model, self._counts("questions", subset), reason)
            if subset == "shared":
                self.shared = frozenset(questions)
            counts = self._counts("trajectories", subset)
            usable = counts.keep(
                (sample for qid in questions for sample in solo.samples[qid]),
                unhelpful,
            )
            ranked = spread(
                usable,
                group=lambda sample: sample.question_id,
                order=lambda sample: rank(self._seed, "own", sample.question_id, sample.number),
                group_order=lambda qid: rank(self._seed, "own question", qid),
            )
            for sample in counts.limit(ranked, self._spec.trajectories):
                picks[sample] = (*picks.get(sample, ()), subset)
        return picks

    def _pool(self, variant: str) -> _Pool:
        """At most `distractors` trajectories, from as many questions as possible, each cut at the ratio."""
        spec, inputs = self._inputs.spec, self._inputs
        writers = (
            [self._model]
            if variant == "default"
            else [model.id for model in self._spec.distractors_of(spec, self._model)]
        )
        questions = {question.id for question in inputs.questions_of(self._spec)}
        counts = self._counts("distractors", variant=variant)
        usable = counts.keep(
            ((writer, s) for writer in writers for s in inputs.solos[writer] if s.question_id in questions),
            lambda pair: unusable(pair[1]),
        )
        ranked = spread(
            usable,
            group=lambda pair: (pair[0], pair[1].question_id),
            order=lambda pair: rank(self._seed, "distractor", pair[0], pair[1].question_id, pair[1].number),
            group_order=lambda key: rank(self._seed, "distractor question", *key),
        )
        chosen = counts.limit(ranked, self._spec.distractors)
        if len({sample.question_id for _, sample in chosen}) < 2 and not self._distracts_someone(chosen):
            raise BuildError(
                f"{TEST} of {self._model!r}, variant {variant!r}: too few distractors: "
                f"{len(usable)} finished trajectories of {', '.join(map(repr, writers))}, none on another question: "
                "add questions, or raise `limit`"
            )
        ids = [f"{writer}\0{s.question_id}\0{s.number}".encode() for writer, s in chosen]
        return _Pool([self._cut(writer, sample) for writer, sample in chosen], ids)

    def _distracts_someone(self, chosen: Sequence[tuple[str, SoloSample]]) -> bool:
        return any(d.question_id != own.question_id for own in self._picks for _, d in chosen)

    def _cut(self, writer: str, sample: SoloSample) -> _Distractor:
        solo = self._inputs.solos[writer]
        thinking = solo.trajectory(sample).thinking
        cut = cut_steer(solo.model.tokens.spans(thinking), self._spec.ratio)
        text = thinking[: cut.end]
        segment = Segment("steer", text, writer, sample.question_id, sample.number, 0, cut.end, cut.tokens)
        return _Distractor(segment, self._inputs.by_id[sample.question_id], self._inputs.revealer.statements(text))

    def _drafts(
        self, sample: SoloSample, question: Question, subsets: tuple[Subset, ...], counts: SelectionCounts
    ) -> list[Draft]:
        solo = self._inputs.solos[self._model]
        thinking = solo.trajectory(sample).thinking
        spans, ends = solo.model.tokens.spans(thinking), SentenceEnds(thinking)
        drafts = []
        for variant in self._spec.variants:
            distractor = self._distractor(sample, question, "cross-model" if variant == "cross-model" else "default")
            if distractor is None:
                counts.dropped["no_distractor"] += len(self._spec.positions)
                continue
            reveals = distractor.stated.contain(question.reference)
            at_least = first_paragraph(thinking) if variant == "keep-first-paragraph" else 0
            if at_least is None:  # keeping it would keep everything, the answer included
                counts.dropped["one_paragraph"] += len(self._spec.positions)
                continue
            for position in self._spec.positions:
                cut = cut_own(spans, ends, position, at_least=at_least)
                text = thinking[: cut.end]
                own = Segment("own", text, self._model, question.id, sample.number, 0, cut.end, cut.tokens)
                between = transition(text, self._spec.transition, distractor.segment.text)
                segments = (own, between, distractor.segment)
                drafts.append(Draft(variant, subsets, position, self._spec.ratio, segments, reveals))
        return drafts

    def _distractor(self, sample: SoloSample, question: Question, pool: str) -> _Distractor | None:
        """A distractor of another question with another gold answer, so that its answer is wrong here.

        The pool is ordered by a hash of the question, and the samples of a question take successive members: at
        position 0, where the own segment is empty, two samples with the same distractor would be the same row.
        """
        if self._allowed is None or self._allowed[0] != (question.id, pool):
            chosen = self._pools[pool]
            allowed = [
                distractor
                for distractor in preference(self._seed, ("distract", question.id), chosen.distractors, chosen.ids)
                if distractor.question.id != question.id
                and distractor.question.text != question.text
                and distractor.question.gold.strip() != question.gold.strip()
            ]
            self._allowed = ((question.id, pool), allowed)
        allowed = self._allowed[1]
        return allowed[sample.number % len(allowed)] if allowed else None


def _rows_at_most(spec: Spec, test: RecoverabilitySpec, questions: int) -> int:
    """Every drawn trajectory is cut at every position, for each variant and subset."""
    cells = len(test.variants) * len(test.subsets) * len(test.positions)
    return cells * min(test.trajectories, spec.sampling.samples * questions)


def _sources(spec: Spec, test: RecoverabilitySpec, tested: Sequence[ModelSpec]) -> tuple[ModelSpec, ...]:
    """The models that distract in the variant `cross-model`."""
    if not test.crosses_models:
        return ()
    named = {source.id for model in tested for source in test.distractors_of(spec, model.id)}
    return tuple(model for model in spec.participants if model.id in named)


def _never_solved(rate: SolveRate) -> str | None:
    return None if rate.solved else "never_solved"


def _not_always_solved(rate: SolveRate) -> str | None:
    return None if rate.full else "not_always_solved"


RECOVERABILITY = TestDefinition(
    name=TEST,
    spec=RecoverabilitySpec,
    axis=Axis("position", "positions", "position of the distractor (% of own thinking)"),
    variants=(Variant("default"), Variant("keep-first-paragraph"), Variant("cross-model")),
    guided=False,
    builder=Recoverability,
    rows_at_most=_rows_at_most,
    sources=_sources,
)
