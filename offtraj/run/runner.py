"""Evaluation on steered rows: a model continues each prefix, and each completion is graded when it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, TypeVar

from offtraj._util.progress import OnProgress, no_steps
from offtraj._util.tasks import BoundedTasks
from offtraj.engines.engine import Engine
from offtraj.engines.sampler import request_key, sample
from offtraj.errors import DataError, EngineError, UsageError
from offtraj.grading.grader import Grader, GradingItem
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import Completion, Failure, Request, SamplingParams
from offtraj.model.model import Model
from offtraj.model.prompt import Prompt, fill_template
from offtraj.model.trajectory import THINK, Delimiters, continued_answer
from offtraj.run.generated import GeneratedRow, GeneratedRows
from offtraj.run.outcome import NOT_SAMPLED, UNFIT, Outcome, outcome_of
from offtraj.run.question import Question
from offtraj.run.row import SteeredRow
from offtraj.spec import TestName
from offtraj.store import Store

__all__ = ["Runner"]

T = TypeVar("T")
_CHUNK = 64  # rows whose prompts are rendered, or whose outcomes are made, together
_GRADING = 256  # completions that are graded concurrently


class _SampledRow(NamedTuple):
    """A row, and where its completions are."""

    row: SteeredRow
    generated: GeneratedRow


@dataclass
class Runner:
    """One model on steered rows: first `generate`, then `outcomes`, over the same rows in any order.

    Every completion is in the store as soon as it is generated; `outcomes` reads it from there. Memory grows by some
    50 bytes a row, and with the failures.
    """

    model: Model
    engine: Engine
    store: Store
    grader: Grader
    template: str
    params: SamplingParams
    samples: Mapping[TestName, int]
    """Completions for each row of a test."""
    questions: Mapping[str, Question]
    """The questions of the rows, by id: their references are what completions are graded against."""
    generated: int = 0
    """Completions that `generate` added to the store."""
    _failures: dict[tuple[str, int], str] = field(default_factory=dict)
    _rows: GeneratedRows = field(default_factory=GeneratedRows)

    async def generate(self, rows: Iterable[SteeredRow], on_progress: OnProgress = no_steps) -> None:
        """Sample what the store lacks; completions are graded while others are generated.

        Args:
            rows: The rows; read once.
            on_progress: Called with the number of completions that are done.

        Raises:
            DataError: when a row's question is missing.
            EngineError: when the engine fails, or a prompt is not the one that was published.
            UsageError: when the rows do not fit the model.
        """
        self._rows = GeneratedRows()
        requests = self._requests(rows, on_progress)
        async with BoundedTasks(_GRADING) as grading:
            async for reply in sample(requests, self.engine, self.store, model=self.model.id, stored=on_progress):
                on_progress(1)
                row = reply.request.context
                assert isinstance(row, SteeredRow)
                if isinstance(reply.result, Failure):
                    self._failures[row.id, reply.sample] = reply.result.message
                else:
                    self.generated += 1
                    await grading.start(self._verdict(row, reply.result))

    async def outcomes(self, rows: Iterable[SteeredRow]) -> AsyncIterator[Outcome]:
        """The outcome of each sample of each row, in the given order; what failed to generate is unscored.

        Raises:
            DataError: for a row that was not generated, or whose question is missing.
            StoreError: when a completion is damaged, or a verdict cannot be kept.
        """
        for chunk in _chunks(map(self._sampled, rows), _CHUNK):
            made = await asyncio.gather(
                *(
                    self._outcome(sampled, number)
                    for sampled in chunk
                    for number in range(self.samples[sampled.row.test])
                )
            )
            for outcome in made:
                yield outcome

    def _sampled(self, row: SteeredRow) -> _SampledRow:
        generated = self._rows.find(row.id)
        if generated is None:
            raise DataError(
                f"row {row.id}: has no completions of this run: the data set was changed while it ran: run the same "
                "command again"
            )
        return _SampledRow(row, generated)

    def _requests(self, rows: Iterable[SteeredRow], on_progress: OnProgress) -> Iterator[Request]:
        for chunk in _chunks(iter(rows), _CHUNK):
            for row, prompt in zip(chunk, self._prompts(chunk), strict=True):
                self._question(row)
                key = request_key(self.engine.identity, row.id, prompt, self.params)
                self._rows.add(row.id, GeneratedRow(key, None if prompt is None else prompt.prefix_tokens))
                numbers = tuple(range(self.samples[row.test]))
                if self._unfit(row):
                    on_progress(len(numbers))
                else:
                    yield Request(key, row.id, prompt, numbers, self.params, row)

    def _prompts(self, rows: Sequence[SteeredRow]) -> Sequence[Prompt | None]:
        if self.model.format is None:
            return [None] * len(rows)
        pairs = [(fill_template(self.template, row.question), row.prefix) for row in rows]
        prompts = self.model.format.steered(pairs)
        for row, prompt in zip(rows, prompts, strict=True):
            published = row.prompt_sha256 if row.model_revision == self.model.revision else None
            if published is not None and published != prompt.sha256:
                raise EngineError(
                    f"row {row.id}: the prompt's ids hash to {prompt.sha256}, published was {published}: the tokenizer, "
                    "the chat template, `think` or `prompt` differs from the one that the set was built with"
                )
        return prompts

    @property
    def _delimiters(self) -> Delimiters:
        return self.model.delimiters or THINK

    def _unfit(self, row: SteeredRow) -> str | None:
        """Why this model cannot continue the row; `None` when it can.

        Raises:
            UsageError: when the row ends the thinking with another model's delimiter.
        """
        close = self._delimiters.close
        if row.closes_thinking:
            if not row.prefix.endswith(close):
                raise UsageError(
                    f"row {row.id} forces an answer with {row.segments[-1].text!r}, and {self.model.id!r} ends its "
                    f"thinking with {close!r}: build a set for this model"
                )
            return None
        return f"{UNFIT} {close!r}" if close and close in row.prefix else None

    async def _outcome(self, sampled: _SampledRow, number: int) -> Outcome:
        row, (key, prefix_tokens) = sampled
        completion = self.store.completion(key, number)
        unfit = self._unfit(row)
        if completion is not None and unfit is None:
            verdict = await self._verdict(row, completion)
        else:
            why = unfit or f"{NOT_SAMPLED}: {self._failures.get((row.id, number), 'no reply')}"
            completion, verdict = None, Verdict("unscored", None, why)
        return outcome_of(
            row,
            number,
            completion,
            verdict,
            exactness=self.engine.prompt_mode,
            prefix_tokens=prefix_tokens,
            max_tokens=None if prefix_tokens is None else self.params.max_tokens,
            reference=self._question(row).reference,
        )

    async def _verdict(self, row: SteeredRow, completion: Completion) -> Verdict:
        text = continued_answer(completion.text, self._delimiters, closed=row.closes_thinking)
        item = GradingItem(row.question, self._question(row).reference)
        return await self.grader.grade(item, text, completion.finish_reason)

    def _question(self, row: SteeredRow) -> Question:
        question = self.questions.get(row.question_id)
        if question is None:
            raise DataError(
                f"row {row.id}: its question {row.question_id!r} is missing from the data set's questions: "
                "`offtraj check` names what else is"
            )
        return question


def _chunks(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(islice(items, size)):
        yield chunk
