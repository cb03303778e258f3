"""Scoring a model on steered rows: what it writes after each prefix, graded as it arrives."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, TypeVar

from offtraj._util.progress import OnProgress, no_steps
from offtraj._util.tasks import BoundedTasks
from offtraj.engines.engine import Engine
from offtraj.engines.sampler import request_key, sample
from offtraj.errors import EngineError, UsageError
from offtraj.grading.grader import Grader, GradingItem
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import Completion, Failure, Request, SamplingParams
from offtraj.model.model import Model
from offtraj.model.prompt import Prompt, fill_template
from offtraj.model.trajectory import THINK, Delimiters, continued_answer
from offtraj.run.outcome import NOT_SAMPLED, UNFIT, Outcome, outcome_of
from offtraj.run.question import Question
from offtraj.run.row import SteeredRow
from offtraj.spec import TestName
from offtraj.store import Store

__all__ = ["Runner"]

T = TypeVar("T")
_CHUNK = 64  # rows whose prompts are rendered, or whose outcomes are put together, at once
_GRADING = 256  # verdicts that are waited for at once


class _PendingRequest(NamedTuple):
    """A row and its request."""

    row: SteeredRow
    request: Request


class _Placed(NamedTuple):
    """A row, and where its completions are."""

    row: SteeredRow
    key: str
    prefix_tokens: int | None


class _Places:
    """Where the completions of rows are, in the rows' order: 44 bytes a row, so that prompts are rendered once."""

    def __init__(self) -> None:
        self._keys, self._prefixes = bytearray(), array("q")

    def add(self, pending: _PendingRequest) -> None:
        prompt = pending.request.prompt
        self._keys += bytes.fromhex(pending.request.key)
        self._prefixes.append(-1 if prompt is None else prompt.prefix_tokens)

    def place(self, at: int, row: SteeredRow) -> _Placed:
        prefix = self._prefixes[at]
        return _Placed(row, self._keys[32 * at : 32 * (at + 1)].hex(), None if prefix < 0 else prefix)


@dataclass
class Runner:
    """One model on steered rows. First `generate`, then `outcomes`, over the same rows in the same order.

    What was generated is in the store, whatever happens afterwards; `outcomes` reads it from there, in the
    rows' order. Memory grows with the rows by some bytes each, and by the failures.
    """

    model: Model
    engine: Engine
    store: Store
    grader: Grader
    template: str
    params: SamplingParams
    samples: Mapping[TestName, int]
    """Completions for each row of a test."""
    questions: Mapping[str, Question] = field(default_factory=dict)
    """By id, for what their verifier needs beside the gold answer, which stands in the rows."""
    generated: int = 0
    """Completions that were not in the store before."""
    _failures: dict[tuple[str, int], str] = field(default_factory=dict)
    _places: _Places = field(default_factory=_Places)

    async def generate(self, rows: Iterable[SteeredRow], on_progress: OnProgress = no_steps) -> None:
        """Sample what the store lacks; completions are graded while others are being generated.

        Raises:
            EngineError: when the engine gives up, or a prompt is not the one that was published.
            UsageError: when the rows do not fit the model.
        """
        self._places = _Places()

        def requests() -> Iterator[Request]:
            for pending in self._asked(rows):
                self._places.add(pending)
                if self._unfit(pending.row):
                    on_progress(len(pending.request.samples))
                    continue
                yield pending.request

        async with BoundedTasks(_GRADING) as grading:
            async for reply in sample(requests(), self.engine, self.store, model=self.model.id, stored=on_progress):
                on_progress(1)
                row = reply.request.context
                assert isinstance(row, SteeredRow)
                if isinstance(reply.result, Failure):
                    self._failures[row.id, reply.sample] = reply.result.message
                else:
                    self.generated += 1
                    await grading.start(self._verdict(row, reply.result))

    async def outcomes(self, rows: Iterable[SteeredRow]) -> AsyncIterator[Outcome]:
        """An outcome for each sample of each row, in order; what could not be had is unscored."""
        places = (self._places.place(at, row) for at, row in enumerate(rows))
        for chunk in _chunks(places, _CHUNK):
            made = await asyncio.gather(
                *(self._outcome(placed, number) for placed in chunk for number in range(self.samples[placed.row.test]))
            )
            for outcome in made:
                yield outcome

    def _asked(self, rows: Iterable[SteeredRow]) -> Iterator[_PendingRequest]:
        for chunk in _chunks(iter(rows), _CHUNK):
            for row, prompt in zip(chunk, self._prompts(chunk), strict=True):
                key = request_key(self.engine.identity, row.id, prompt, self.params)
                numbers = tuple(range(self.samples[row.test]))
                yield _PendingRequest(row, Request(key, row.id, prompt, numbers, self.params, row))

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
        """Why the row cannot be put to this model: its prefix would end the thinking."""
        close = self._delimiters.close
        if row.closes_thinking:
            if not row.prefix.endswith(close):
                raise UsageError(
                    f"row {row.id} forces an answer with {row.segments[-1].text!r}, and {self.model.id!r} ends its "
                    f"thinking with {close!r}: build a set for this model"
                )
            return None
        return f"{UNFIT} {close!r}" if close and close in row.prefix else None

    async def _outcome(self, placed: _Placed, number: int) -> Outcome:
        row = placed.row
        completion = self.store.completion(placed.key, number)
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
            exactness=self.engine.exactness,
            prefix_tokens=placed.prefix_tokens,
            max_tokens=None if placed.prefix_tokens is None else self.params.max_tokens,
            item=self._wanted(row),
        )

    async def _verdict(self, row: SteeredRow, completion: Completion) -> Verdict:
        text = continued_answer(completion.text, self._delimiters, closed=row.closes_thinking)
        return await self.grader.grade(self._wanted(row), text, completion.finish_reason)

    def _wanted(self, row: SteeredRow) -> GradingItem:
        question = self.questions.get(row.question_id)
        needs = (None, None) if question is None else (question.tolerance, question.unit)
        return GradingItem(row.answer, row.question, *needs)


def _chunks(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(islice(items, size)):
        yield chunk
