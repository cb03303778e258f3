"""Guidability: a stronger model's correct thinking begins a question that the model fails (paper, section 2.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from offtraj._util.digest import rank
from offtraj.model.trajectory import NONE
from offtraj.run.question import Question
from offtraj.run.row import Segment, SteeredRow
from offtraj.run.solo import SoloSample, SolveRate
from offtraj.spec import GuidabilitySpec, ModelSpec, Spec, Subset, TestName
from offtraj_builders.cut import cut_steer
from offtraj_builders.definition import Axis, TestDefinition, Variant
from offtraj_builders.inputs import BuildInputs, Draft, delimiters_of, finish, qualifying, unhelpful
from offtraj_builders.selection import SelectionCounts, SelectionOf

__all__ = ["GUIDABILITY", "Guidability", "wanted_questions"]

AT_ONCE = 16  # trajectories that are composed concurrently: each needs a verification
TEST: TestName = "guidability"
_SELECTING = ("default", "solvable")  # variants with questions of their own; the others derive from default


def wanted_questions(inputs: BuildInputs, spec: GuidabilitySpec, models: Sequence[ModelSpec]) -> frozenset[str]:
    """Ids of the questions on which some model is guided; computed without the guides' solo samples."""
    return frozenset(
        question_id
        for model in models
        for variant in _SELECTING
        if variant in spec.variants
        for question_id in _qualify(inputs, spec, model.id, variant)[0]
    )


class Guidability:
    """The guidability set of one model: its selections with their counts, and its rows."""

    def __init__(self, inputs: BuildInputs, spec: GuidabilitySpec, model: str) -> None:
        """Select questions and the guides' trajectories."""
        self._inputs, self._spec, self._model = inputs, spec, model
        self._seed = inputs.spec.seed
        self.selection_counts: list[SelectionCounts] = []
        self._subsets: dict[str, dict[str, tuple[Subset, ...]]] = {}
        for variant in _SELECTING:
            if variant in spec.variants:
                self._subsets[variant], selection_counts = _qualify(inputs, spec, model, variant)
                self.selection_counts += selection_counts
        self._guided = self._pick_guides()
        self.shared = frozenset(q for q, subsets in self._subsets.get("default", {}).items() if "shared" in subsets)

    async def rows(self) -> AsyncIterator[SteeredRow]:
        """The rows, by question, guide, trajectory, variant and ratio."""
        counts = self._counts("rows")
        guided = [
            (question, guide, sample)
            for question in self._inputs.questions_of(self._spec)
            for guide, sample in self._guided.get(question.id, ())
        ]
        for start in range(0, len(guided), AT_ONCE):
            chunk = guided[start : start + AT_ONCE]
            drafted = await asyncio.gather(*(self._drafts(*one, counts) for one in chunk))
            for (question, _, _), drafts in zip(chunk, drafted, strict=True):
                for row in finish(self._inputs, TEST, self._model, question, drafts, counts):
                    yield row

    def _counts(self, of: SelectionOf) -> SelectionCounts:
        counts = SelectionCounts(TEST, self._model, None, None, of)
        self.selection_counts.append(counts)
        return counts

    def _pick_guides(self) -> dict[str, list[tuple[str, SoloSample]]]:
        """The drawn correct trajectories of each guide, by question; over the questions of all variants."""
        picked: dict[str, list[tuple[str, SoloSample]]] = {}
        counts = self._counts("guide trajectories")
        wanted = set().union(*self._subsets.values())
        for guide in self._inputs.spec.guides_of(self._spec):
            solo = self._inputs.solos[guide.id]
            for question in self._inputs.questions_of(self._spec):
                if question.id not in wanted:
                    continue
                if question.id not in solo.samples:
                    counts.dropped["no_trajectory"] += 1
                    continue
                usable = counts.keep(solo.samples[question.id], unhelpful)
                usable.sort(key=lambda s: rank(self._seed, "guide", guide.id, s.question_id, s.number))
                chosen = counts.limit(usable, self._spec.trajectories_per_question)
                picked.setdefault(question.id, []).extend((guide.id, sample) for sample in chosen)
        return picked

    async def _drafts(
        self, question: Question, guide: str, sample: SoloSample, counts: SelectionCounts
    ) -> Sequence[Draft]:
        solo = self._inputs.solos[guide]
        thinking = solo.trajectory(sample).thinking
        spans = solo.model.tokens.spans(thinking)
        revealed = await self._inputs.revealer.statements(thinking).first(question.reference)
        steers = []
        for ratio in self._spec.ratios:
            cut = cut_steer(spans, ratio)
            steer = Segment("steer", thinking[: cut.end], guide, question.id, sample.number, 0, cut.end, cut.tokens)
            steers.append((ratio, steer, revealed is not None and revealed <= cut.end))
        drafts = []
        for variant in self._spec.variants:
            source = "default" if variant == "answer-forcing" else variant
            subsets = self._subsets[source].get(question.id)
            if subsets is None:
                continue
            closing: list[Segment] = []
            if variant == "answer-forcing":
                delimiters = delimiters_of(self._inputs.solos[self._model])
                if delimiters == NONE:
                    counts.dropped["no_closing_delimiter"] += len(steers)
                    continue
                closing = [Segment("transition", delimiters.close)]
            drafts += [Draft(variant, subsets, None, ratio, (steer, *closing), gone) for ratio, steer, gone in steers]
        return drafts


def _qualify(
    inputs: BuildInputs, spec: GuidabilitySpec, model: str, variant: str
) -> tuple[dict[str, tuple[Subset, ...]], list[SelectionCounts]]:
    """The qualifying questions of a variant by id, each with its subsets; and what was kept and dropped."""

    def solved_too_often(rate: SolveRate) -> str | None:
        return None if rate.share <= spec.max_solve_rate else "solved_too_often"

    reason = _not_always_solved if variant == "solvable" else solved_too_often
    found: dict[str, tuple[Subset, ...]] = {}
    selection_counts = [SelectionCounts(TEST, model, variant, subset, "questions") for subset in spec.subsets]
    for subset, counts in zip(spec.subsets, selection_counts, strict=True):
        for question_id in qualifying(inputs, spec, model, counts, reason):
            found[question_id] = (*found.get(question_id, ()), subset)
    return found, selection_counts


def _rows_at_most(spec: Spec, test: GuidabilitySpec, questions: int) -> int:
    """Each question has some trajectories of each guide, cut at each ratio; a row of both subsets is one row."""
    each = len(spec.guides_of(test)) * min(test.trajectories_per_question, spec.sampling.samples)
    variants = len(set(test.variants) - {"solvable"})  # a question is either of `solvable` or of the others
    return len(test.ratios) * questions * each * max(1, variants)


def _sources(spec: Spec, test: GuidabilitySpec, tested: Sequence[ModelSpec]) -> tuple[ModelSpec, ...]:
    """The guides, where any model is tested."""
    return spec.guides_of(test) if tested else ()


def _not_always_solved(rate: SolveRate) -> str | None:
    return None if rate.full else "not_always_solved"


GUIDABILITY = TestDefinition(
    name=TEST,
    spec=GuidabilitySpec,
    axis=Axis("ratio", "ratios", "given of the guide's thinking (%)"),
    variants=(Variant("default"), Variant("solvable"), Variant("answer-forcing", closes_thinking=True)),
    guided=True,
    builder=Guidability,
    rows_at_most=_rows_at_most,
    sources=_sources,
    source_questions=wanted_questions,
)
