"""Solo sampling: k completions of each question with nothing injected, graded, with solve rates.

Texts stay in the store, so that memory does not grow with their length.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from offtraj._util.progress import OnProgress, no_steps
from offtraj._util.tasks import BoundedTasks
from offtraj.engines.engine import Engine
from offtraj.engines.recorded import NOT_RECORDED
from offtraj.engines.sampler import request_key, sample
from offtraj.errors import EngineError, StoreError
from offtraj.grading.grader import Grader, GradingItem
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import Completion, Failure, FinishReason, Reply, Request, SamplingParams
from offtraj.model.model import Model
from offtraj.model.prompt import fill_template
from offtraj.model.trajectory import NONE, Trajectory, split
from offtraj.run.question import Question
from offtraj.store import Store

__all__ = ["Solo", "SoloSample", "SolveRate", "SolveRates", "rate_order", "sample_solo", "solo_text"]

SolveRates = Mapping[str, Mapping[str, int]]
"""For each benchmark, the number of questions with each solve rate, such as `{"math500": {"7/8": 12}}`."""

_GRADING = 256  # responses that are graded concurrently
_REASONS = 3  # reasons that a message names


class SolveRate(NamedTuple):
    """How often a model solves a question in solo sampling."""

    solved: int
    sampled: int

    @property
    def share(self) -> float:
        """Solved samples as a share of all samples, from 0 to 1; 0 without samples."""
        return self.solved / self.sampled if self.sampled else 0.0

    @property
    def full(self) -> bool:
        """Whether every sample solves the question (paper: 8 out of 8)."""
        return self.sampled > 0 and self.solved == self.sampled


@dataclass(frozen=True, slots=True)
class SoloSample:
    """One graded solo completion, without its text, which is in the store."""

    question_id: str
    number: int
    """Sample number, from 0."""
    key: str
    """Key of the text in the store."""
    finish_reason: FinishReason | None
    closed: bool
    """Whether the thinking ends."""
    thinks: bool
    """Whether the thinking holds more than white space."""
    verdict: Verdict

    @property
    def correct(self) -> bool:
        """Whether it solves the question."""
        return self.verdict.name == "correct"


@dataclass(frozen=True)
class Solo:
    """All solo samples of a model or guide."""

    model: Model
    identity: str
    """The engine's identity: weights or recording."""
    samples: Mapping[str, tuple[SoloSample, ...]]
    """By question id, in the questions' order; questions without samples are left out."""
    store: Store

    def rate(self, question_id: str) -> SolveRate:
        """The solve rate on a question. Unscored samples do not count."""
        scored = [s for s in self.samples.get(question_id, ()) if s.verdict.name != "unscored"]
        return SolveRate(sum(s.correct for s in scored), len(scored))

    def trajectory(self, sample: SoloSample) -> Trajectory:
        """The trajectory of a sample.

        Raises:
            StoreError: when its text has been removed from the store, or is damaged.
        """
        completion = self.store.completion(sample.key, sample.number)
        if completion is None:
            raise StoreError(
                f"{self.store.path}: sample {sample.number} of {sample.question_id!r} by {self.model.id!r} was removed "
                "after it was graded: run the same command again, which samples it again"
            )
        return split(completion.text, self.model.delimiters)

    def __iter__(self) -> Iterator[SoloSample]:
        """The samples, question by question."""
        for samples in self.samples.values():
            yield from samples


def solo_text(trajectory: Trajectory, model: Model) -> str | None:
    """The text that is searched for an answer: what follows the thinking; `None` when the thinking never ends."""
    if model.delimiters == NONE:
        return trajectory.thinking
    return trajectory.answer if trajectory.closed else None


async def sample_solo(
    model: Model,
    questions: Sequence[Question],
    *,
    engine: Engine,
    store: Store,
    grader: Grader,
    template: str,
    params: SamplingParams,
    samples: int,
    on_progress: OnProgress = no_steps,
) -> Solo:
    """The graded solo samples of a model on some questions; what the store lacks is sampled.

    Completions are graded while others are generated. An interrupted call continues where it stopped when it is
    repeated. Of a recording that lacks samples or questions, the samples that it has are returned.

    Args:
        model: The model or guide.
        questions: The questions, each with its reference.
        engine: Generates completions.
        store: Where completions and verdicts are kept.
        grader: Grades responses.
        template: The text that a question is put into.
        params: Sampling parameters.
        samples: Completions for each question.
        on_progress: Called with the number of samples that are done, whether generated or found in the store.

    Raises:
        EngineError: when an engine that generates fails for some samples.
        StoreError: when the store cannot keep a completion or verdict.
    """

    def request(question: Question) -> Request:
        text = fill_template(template, question.text)
        prompt = None if model.format is None else model.format.solo(text)
        key = request_key(engine.identity, question.id, prompt, params)
        return Request(key, question.id, prompt, tuple(range(samples)), params, question)

    failures: list[Reply] = []
    async with BoundedTasks(_GRADING) as grading:
        async for reply in sample(map(request, questions), engine, store, model=model.id, stored=on_progress):
            on_progress(1)
            if isinstance(reply.result, Failure):
                failures.append(reply)
            else:
                question = reply.request.context
                assert isinstance(question, Question)
                trajectory = split(reply.result.text, model.delimiters)
                await grading.start(_grade(grader, question, reply.result, trajectory, model))
    _refuse_failures(model, failures)
    graded: dict[str, tuple[SoloSample, ...]] = {}
    for question in questions:
        found = await _graded(model, question, request(question), store, grader)
        if found:
            graded[question.id] = found
    return Solo(model, engine.identity, graded, store)


async def _graded(
    model: Model, question: Question, request: Request, store: Store, grader: Grader
) -> tuple[SoloSample, ...]:
    async def one(number: int) -> SoloSample | None:
        completion = store.completion(request.key, number)
        if completion is None:
            return None
        trajectory = split(completion.text, model.delimiters)
        return SoloSample(
            question_id=question.id,
            number=number,
            key=request.key,
            finish_reason=completion.finish_reason,
            closed=trajectory.closed or model.delimiters == NONE,
            thinks=bool(trajectory.thinking.strip()),
            verdict=await _grade(grader, question, completion, trajectory, model),
        )

    found = await asyncio.gather(*(one(number) for number in request.samples))
    return tuple(sample for sample in found if sample is not None)


async def _grade(
    grader: Grader, question: Question, completion: Completion, trajectory: Trajectory, model: Model
) -> Verdict:
    item = GradingItem(question.text, question.reference)
    return await grader.grade(item, solo_text(trajectory, model), completion.finish_reason)


def _refuse_failures(model: Model, failures: Sequence[Reply]) -> None:
    """Raise for failures: a solve rate of a part of the samples would be biased. Gaps of a recording are no failures."""
    real = [(r, r.result) for r in failures if isinstance(r.result, Failure) and r.result.message != NOT_RECORDED]
    if real:
        reply, _ = real[0]
        reasons = Counter(failure.message for _, failure in real).most_common()
        shown = "; ".join(f"{count} because of {message}" for message, count in reasons[:_REASONS])
        more = f"; and {len(reasons) - _REASONS} more reasons" if len(reasons) > _REASONS else ""
        raise EngineError(
            f"{model.id}: {len(real)} solo samples failed to generate, the first of {reply.request.subject!r}, sample "
            f"{reply.sample}: {shown}{more}: the other samples are kept; run the same command again"
        )


def rate_order(rate: str) -> tuple[float, int]:
    """Sort key of a solve rate such as `7/8`, by which the lowest comes first."""
    solved, _, sampled = rate.partition("/")
    return int(solved) / max(1, int(sampled)), int(sampled)
