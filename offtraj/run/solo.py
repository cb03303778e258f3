"""Solo sampling: k completions of each question with nothing injected, graded, with solve rates.

Texts stay in the store; what is held here is small, so that memory does not grow with their length.
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
"""For each benchmark how many questions are solved how often, such as `{"math500": {"7/8": 12}}`."""

_GRADING = 256  # verdicts that are waited for at once
_REASONS = 3  # that a message names


class SolveRate(NamedTuple):
    """How often a model solves a question alone."""

    solved: int
    sampled: int

    @property
    def share(self) -> float:
        """Solved of sampled; 0 when nothing was sampled."""
        return self.solved / self.sampled if self.sampled else 0.0

    @property
    def full(self) -> bool:
        """Whether every sample solves it (paper: 8 out of 8)."""
        return self.sampled > 0 and self.solved == self.sampled


@dataclass(frozen=True, slots=True)
class SoloSample:
    """One graded solo completion. Its text is in the store."""

    question_id: str
    number: int
    """Sample number, from 0."""
    key: str
    """Where the store keeps the text."""
    finish_reason: FinishReason | None
    closed: bool
    """Whether its thinking ends."""
    thinks: bool
    """Whether there is any thinking but white space."""
    verdict: Verdict

    @property
    def correct(self) -> bool:
        """Whether it solves the question."""
        return self.verdict.name == "correct"


@dataclass(frozen=True)
class Solo:
    """Everything that a model or guide did alone."""

    model: Model
    identity: str
    """The engine's: weights or recording."""
    samples: Mapping[str, tuple[SoloSample, ...]]
    """By question id, in the questions' order; a question without any is not in it."""
    store: Store

    def rate(self, question_id: str) -> SolveRate:
        """The solve rate. Unscored samples do not count."""
        scored = [s for s in self.samples.get(question_id, ()) if s.verdict.name != "unscored"]
        return SolveRate(sum(s.correct for s in scored), len(scored))

    def trajectory(self, sample: SoloSample) -> Trajectory:
        """The text of a sample, split.

        Raises:
            StoreError: when it is not there any more, or is damaged.
        """
        completion = self.store.completion(sample.key, sample.number)
        if completion is None:
            raise StoreError(
                f"{self.store.path}: sample {sample.number} of {sample.question_id!r} by {self.model.id!r} was there "
                "when it was graded, and has been removed since: run the same command again, which samples it anew"
            )
        return split(completion.text, self.model.delimiters)

    def __iter__(self) -> Iterator[SoloSample]:
        """All samples, question by question."""
        for samples in self.samples.values():
            yield from samples


def solo_text(trajectory: Trajectory, model: Model) -> str | None:
    """Where the answer is looked for: what follows the thinking; `None` when that never ends."""
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
    """Sample what the store lacks, grade everything, and return it.

    Completions are graded while others are being generated. Interrupted at any moment, it goes on where
    it was. A recording that lacks samples, or whole questions, gives what it has.

    Raises:
        EngineError: when an engine that samples could not give some of what was asked.
        StoreError: when the store cannot keep it.
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
    asked = GradingItem(question.gold, question.text, question.tolerance, question.unit)
    return await grader.grade(asked, solo_text(trajectory, model), completion.finish_reason)


def _refuse_failures(model: Model, failures: Sequence[Reply]) -> None:
    """A solve rate must not be made of what happened to arrive. A recording has what it has."""
    real = [(r, r.result) for r in failures if isinstance(r.result, Failure) and r.result.message != NOT_RECORDED]
    if real:
        reply, _ = real[0]
        reasons = Counter(failure.message for _, failure in real).most_common()
        shown = "; ".join(f"{count} because of {message}" for message, count in reasons[:_REASONS])
        more = f"; and {len(reasons) - _REASONS} more reasons" if len(reasons) > _REASONS else ""
        raise EngineError(
            f"{model.id}: {len(real)} solo samples could not be had, the first of {reply.request.subject!r}, sample "
            f"{reply.sample}: {shown}{more}: what arrived is kept; run the same command again"
        )


def rate_order(rate: str) -> tuple[float, int]:
    """Sort key of solve rates such as `7/8`, the lowest first."""
    solved, _, sampled = rate.partition("/")
    return int(solved) / max(1, int(sampled)), int(sampled)
