"""The rule: whether an answer is equal to the gold answer, by a fast exact comparison where possible, else by algebra.

The rule passes an answer only when it is certain. Where math-verify finds two answers equal in a class in which it
drops what it cannot read (units, bases, letters), the result is *undecided*, with a reason. Where it finds them
different, they are different, unless it failed. A judge, if there is one, rules on both.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import version
from typing import Literal, Protocol, cast

from offtraj.grading.math.answer import Answer
from offtraj.grading.math.fast_compare import DIFFERENT, EQUAL, Comparison, compare_special_forms, doubt, same_value
from offtraj.grading.math.notation import LONGEST, normalise, split_top
from offtraj.grading.math.number import number
from offtraj.grading.math.pool import WorkerPool
from offtraj.grading.math.quantity import PERCENT, quantity
from offtraj.grading.math.structure import Structure, read

__all__ = ["Comparison", "RuleVerifier", "Verifier", "same_by_fast_compare"]

_RULE_VERSION = 3  # raised when a comparison may have another result
_REMEMBERED = 65536
_LONGEST_LIST = 64  # elements
_COMMA = re.compile(",")


class Verifier(Protocol):
    """Compares answers with gold answers."""

    @property
    def version(self) -> str:
        """Changes whenever a comparison may have another result."""

    def fast_compare(
        self, gold: str, answer: Answer, *, tolerance: float | None = None, unit: str | None = None
    ) -> Comparison | None:
        """The result where it takes no process and is not worth keeping; else `None`."""

    async def compare(
        self, gold: str, answer: Answer, *, tolerance: float | None = None, unit: str | None = None
    ) -> Comparison:
        """Whether the answer is equal to the gold answer.

        Args:
            gold: The gold answer, as published.
            answer: The answer, as it was found in the response.
            tolerance: Largest accepted absolute difference of numbers.
            unit: Unit of the gold answer, where the benchmark has it in a column of its own.
        """

    async def verifies(self, gold: str) -> bool:
        """Whether a gold answer can be verified against itself without comparing strings."""

    async def close(self) -> None:
        """End its processes."""


class RuleVerifier:
    """The rule: numbers, quantities, lists, tuples and intervals in this process, algebra in worker processes.

    Concurrent and repeated comparisons of the same pair are made once.
    """

    def __init__(self, pool: WorkerPool | None = None) -> None:
        """Use `pool`; by default one with a worker for each core, up to 16. Processes start when they are needed."""
        self._pool = pool or WorkerPool()
        self.version = f"rule-{_RULE_VERSION}/math-verify-{version('math-verify')}"
        self._known: OrderedDict[tuple[object, ...], asyncio.Future[tuple[str, str]]] = OrderedDict()

    def fast_compare(
        self, gold: str, answer: Answer, *, tolerance: float | None = None, unit: str | None = None
    ) -> Comparison | None:
        """The result for equal texts, plain numbers, guesses, and answers that are too long or empty; else `None`."""
        expected, given = with_unit(normalise(gold), unit), normalise(answer.text)
        if answer.how == "guess":  # never passes, so algebra is not needed
            return Comparison("undecided", "guess") if same_by_fast_compare(expected, given) else DIFFERENT
        if expected == given:
            return EQUAL if given else DIFFERENT
        if not given:
            return DIFFERENT
        if max(len(expected), len(given)) > LONGEST:
            return Comparison("undecided", "too_long")
        if number(expected) is not None and number(given) is not None:
            return same_value(expected, given, _exact(tolerance))
        return None

    async def compare(
        self, gold: str, answer: Answer, *, tolerance: float | None = None, unit: str | None = None
    ) -> Comparison:
        """Whether the answer is equal to the gold answer."""
        found = self.fast_compare(gold, answer, tolerance=tolerance, unit=unit)
        return found or await self._structures(
            read(with_unit(normalise(gold), unit)), read(normalise(answer.text)), tolerance
        )

    async def verifies(self, gold: str) -> bool:
        """Whether every part of the gold answer can be read, so that another way of writing it can be found equal."""
        return await self._readable(read(normalise(gold)))

    async def close(self) -> None:
        """End the worker processes."""
        await self._pool.close()

    async def _readable(self, structure: Structure) -> bool:
        if structure.parts:
            return all([await self._readable(part) for part in structure.parts])
        value = quantity(structure.value).value
        if compare_special_forms(value):
            return True
        return (await self._algebra(value, value, None)).result == "equal"

    async def _structures(self, gold: Structure, answer: Structure, tolerance: float | None) -> Comparison:
        if gold.relation or answer.relation:
            return await self._value(gold.text, answer.text, tolerance)
        if gold.name is not None and answer.name is not None and gold.name != answer.name:
            return await self._algebra(gold.text, answer.text, tolerance)
        kinds = {gold.kind, answer.kind}
        if kinds == {"one"}:
            return await self._quantities(gold.value, answer.value, tolerance)
        if kinds <= {"list", "set"} or kinds == {"union"}:
            return await self._unordered(gold.parts, answer.parts, tolerance)
        if kinds == {"ordered"}:
            if gold.brackets != answer.brackets:
                return DIFFERENT
            return await self._ordered(gold.parts, answer.parts, tolerance)
        if kinds == {"ordered", "list"}:  # (1, 2) against 1, 2: a pair, an interval, or two solutions?
            found = await self._ordered(gold.parts, answer.parts, tolerance)
            return Comparison("undecided", "list_or_tuple") if found.result == "equal" else found
        if "one" in kinds:
            return await self._one_and_more(gold, answer, tolerance)
        return DIFFERENT

    async def _one_and_more(self, gold: Structure, answer: Structure, tolerance: float | None) -> Comparison:
        one, more = (gold, answer) if gold.kind == "one" else (answer, gold)
        if more.kind == "set" and len(more.parts) == 1:
            pair = (gold, more.parts[0]) if one is gold else (more.parts[0], answer)
            return await self._structures(*pair, tolerance)
        if number(one.value) is not None:
            digits = split_top(one.value, _COMMA)
            if len(digits) == len(more.parts) > 1:  # `100,200` is a number or a list
                parts = tuple(read(part) for part in digits)
                pairs = (parts, answer.parts) if one is gold else (gold.parts, parts)
                return await self._unordered(*pairs, tolerance)
            return DIFFERENT
        return DIFFERENT if more.kind == "list" else await self._algebra(gold.text, answer.text, tolerance)

    async def _ordered(
        self, golds: Sequence[Structure], answers: Sequence[Structure], tolerance: float | None
    ) -> Comparison:
        if len(golds) != len(answers):
            return DIFFERENT
        doubtful = EQUAL
        for gold, answer in zip(golds, answers, strict=True):
            found = await self._structures(gold, answer, tolerance)
            if found.result == "different":
                return found
            if found.result == "undecided":
                doubtful = found
        return doubtful

    async def _unordered(
        self, golds: Sequence[Structure], answers: Sequence[Structure], tolerance: float | None
    ) -> Comparison:
        """Whether each value of one side equals one of the other. Equality is transitive, so the first match is taken."""
        if len(golds) != len(answers):
            return DIFFERENT
        if len(golds) > _LONGEST_LIST:
            return Comparison("undecided", "too_long")
        doubtful, left = EQUAL, list(answers)
        for gold in golds:
            left.sort(key=lambda part: part.value != gold.value)  # the likely one first
            doubts: list[Comparison] = []
            for answer in left:
                found = await self._structures(gold, answer, tolerance)
                if found.result == "equal":
                    left.remove(answer)
                    break
                if found.result == "undecided":
                    doubts.append(found)
            else:
                if not doubts:
                    return DIFFERENT
                doubtful = doubts[0]
        return doubtful

    async def _quantities(self, gold: str, answer: str, tolerance: float | None) -> Comparison:
        expected, given = quantity(gold), quantity(answer)
        if expected.unit == given.unit:
            return await self._value(expected.value, given.value, tolerance)
        found = await self._value(expected.value, given.value, tolerance)
        units = {expected.unit, given.unit}
        if units == {None, PERCENT}:
            if found.result == "equal":
                return Comparison("undecided", "percent")
            share, whole = (expected, given) if expected.unit == PERCENT else (given, expected)
            return await self._percent(share.value, whole.value)
        if None not in units and found.result == "equal":
            return Comparison("undecided", "units")
        return found

    async def _percent(self, share: str, whole: str) -> Comparison:
        a, b = number(share), number(whole)
        if a is not None and b is not None:
            return EQUAL if a / 100 == b else DIFFERENT
        return await self._algebra(f"\\frac{{{share}}}{{100}}", whole, None)

    async def _value(self, gold: str, answer: str, tolerance: float | None) -> Comparison:
        return same_value(gold, answer, _exact(tolerance)) or await self._algebra(gold, answer, tolerance)

    async def _algebra(self, gold: str, answer: str, tolerance: float | None) -> Comparison:
        key = (gold, answer, tolerance)
        asked = self._known.get(key)
        if asked is None or asked.cancelled():
            asked = self._known[key] = asyncio.ensure_future(self._pool.compare(gold, answer, tolerance))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        result, reason = await asyncio.shield(asked)
        if result == "undecided":
            self._known.pop(key, None)  # a failure is tried again
        elif result == "equal" and (reason := doubt(gold, answer) or ""):
            return Comparison("undecided", reason)
        return Comparison(cast("Literal['equal', 'different', 'undecided']", result), reason)


def with_unit(gold: str, unit: str | None) -> str:
    r"""A gold answer with the unit of its benchmark's unit column: `41/12` and `km` give `41/12\text{ km}`."""
    if unit is None or not unit.strip() or quantity(gold).unit is not None:
        return gold
    bare = normalise(unit)
    return (
        f"{gold}{bare}"
        if bare in (r"\%", "%", r"^\circ")
        else f"{gold}\\text{{ {bare.replace('{', '').replace('}', '')} }}"
    )


def _exact(tolerance: float | None) -> Fraction | None:
    return None if tolerance is None else Fraction(str(tolerance))


def same_by_fast_compare(gold: str, answer: str) -> bool | None:
    """Whether two answers are equal; `None` where that takes algebra."""
    one, other = normalise(gold), normalise(answer)
    if one == other:
        return True
    a, b = number(one), number(other)
    return None if a is None or b is None else a == b
