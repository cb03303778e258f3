"""Checking steered rows: each is consistent in itself, and equal to the rebuilt row in its place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields

from offtraj._util.progress import OnProgress
from offtraj.check.result import Checked
from offtraj.run.question import Question
from offtraj.run.row import SteeredRow
from offtraj_builders.composition import compose, row_id
from offtraj_builders.steered_sets import SteeredSet

__all__ = ["compare_rows", "sound_rows"]

_WINDOW = 256  # rebuilt rows that are searched for the published row


def sound_rows(
    config: str,
    rows: Iterable[SteeredRow],
    questions: Mapping[str, Question],
    thinking: Callable[[str, str, int], str | None],
    checked: Checked,
) -> Iterator[tuple[str, SteeredRow]]:
    """The rows with their places; inconsistencies within a row are reported."""
    for number, row in enumerate(rows):
        where = f"{config} row {number} ({row.id[:12]})"
        for what in _unsound(row, questions.get(row.question_id), thinking):
            checked.say(where, what, config)
        checked.rows += 1
        yield where, row


def _unsound(
    row: SteeredRow, question: Question | None, thinking: Callable[[str, str, int], str | None]
) -> Iterator[str]:
    if compose(row.segments) != row.prefix:
        yield "its prefix is not its segments, joined"
    if row.id != row_id(row.test, row.variant, row.model, row.question_id, row.position, row.ratio, row.segments):
        yield "its id is not the hash of its content"
    if question is None:
        yield f"its question {row.question_id!r} is not among the questions"
    elif (row.question, row.answer, row.benchmark) != (question.text, question.gold, question.benchmark):
        yield f"its question, answer or benchmark differs from {row.question_id!r} among the questions"
    for number, segment in enumerate(row.segments):
        if segment.model is None or segment.question_id is None or segment.sample is None:
            continue
        source = thinking(segment.model, segment.question_id, segment.sample)
        if source is not None and source[segment.start : segment.end] != segment.text:
            yield (
                f"segment {number} ({segment.role}) is not characters {segment.start} to {segment.end} of "
                f"{segment.model}'s sample {segment.sample} on {segment.question_id!r}"
            )


async def compare_rows(
    config: str, made: SteeredSet, published: Iterable[tuple[str, SteeredRow]], checked: Checked, done: OnProgress
) -> None:
    """Compare the published rows with the rebuilt ones, in order, and report the differences."""
    rows = made.rows()
    ahead: deque[SteeredRow] = deque()

    async def look(count: int) -> None:
        while len(ahead) < count and (row := await anext(rows, None)) is not None:
            ahead.append(row)

    for where, row in published:
        done(1)
        await look(1)
        if not ahead or ahead[0].id != row.id:
            await look(_WINDOW)
            at = next((at for at, one in enumerate(ahead) if one.id == row.id), None)
            for _ in range(at or 0):
                missing = ahead.popleft()
                checked.say(f"{config} before {where.removeprefix(config).strip()}", _lacks(missing), config)
            if at is None:
                if ahead and _place(ahead[0]) == _place(row):
                    checked.say(where, f"is not the row that can be made here: {_differ(ahead.popleft(), row)}", config)
                else:
                    checked.say(where, "cannot be made from these trajectories and this spec", config)
                continue
        expected = ahead.popleft()
        if expected != row and (differ := _differ(expected, row)):
            checked.say(where, f"is not the row that can be made here: {differ}", config)
    await look(1)
    while ahead:
        checked.say(f"{config} at its end", _lacks(ahead.popleft()), config)
        await look(1)


def _lacks(row: SteeredRow) -> str:
    return f"lacks a row that is made from {row.question_id!r}: {row.id[:12]}"


def _place(row: SteeredRow) -> tuple[object, ...]:
    return row.variant, row.question_id, row.position, row.ratio


def _differ(made: SteeredRow, published: SteeredRow) -> str:
    """The fields that differ; shares are compared at the precision of the columns."""
    names = [
        item.name
        for item in fields(made)
        if (one := getattr(made, item.name)) != (other := getattr(published, item.name))
        and not (isinstance(one, float) and isinstance(other, float) and abs(one - other) < 1e-6)
    ]
    return ", ".join(f"{name} differs" for name in names)
