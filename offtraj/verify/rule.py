"""The rule: is an answer equal to the gold answer? Exact fast paths first, then math-verify."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from typing import Literal, Protocol, cast

from offtraj.verify.answer import Answer
from offtraj.verify.pool import WorkerPool

__all__ = ["Comparison", "RuleVerifier", "Verifier", "same_at_sight"]

_RULE_VERSION = 1  # raise it when a comparison below changes
_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?|[+-]?\.\d+")
_LONGEST_NUMBER = 1000  # characters; what is longer is no answer to compare in this process


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the rule says."""

    result: Literal["equal", "different", "undecided"]
    reason: str
    """Why it is undecided: `timeout`, `crash`, `memory` …; else empty."""


class Verifier(Protocol):
    """Compares answers with gold answers."""

    @property
    def version(self) -> str:
        """Changes whenever a comparison may come out differently."""

    async def compare(self, gold: str, answer: Answer) -> Comparison:
        """Whether the answer is equal to the gold answer."""

    async def verifies(self, gold: str) -> bool:
        """Whether a gold answer can be verified at all: by itself, without comparing strings."""

    async def close(self) -> None:
        """Let go of processes."""


class RuleVerifier:
    """Equal text, equal numbers, else math-verify in worker processes."""

    def __init__(self, pool: WorkerPool | None = None) -> None:
        """Use `pool`, or one of as many workers as the machine has cores. Processes start when needed."""
        self._pool = pool or WorkerPool()
        self.version = f"rule-{_RULE_VERSION}/math-verify-{version('math-verify')}"

    async def compare(self, gold: str, answer: Answer) -> Comparison:
        """Whether the answer is equal to the gold answer."""
        sight = same_at_sight(gold, answer.text) if answer.how == "boxed" else None
        if sight is not None:
            return Comparison("equal" if sight else "different", "")
        result, reason = await self._pool.compare(gold, answer.text, answer.how)
        return Comparison(cast("Literal['equal', 'different', 'undecided']", result), reason)

    async def verifies(self, gold: str) -> bool:
        """Whether math-verify reads the gold answer, and finds it equal to itself."""
        if _number(gold) is not None:
            return True
        result, _ = await self._pool.compare(gold, gold, "boxed")
        return result == "equal"

    async def close(self) -> None:
        """End the worker processes."""
        await self._pool.close()


def same_at_sight(gold: str, answer: str) -> bool | None:
    """Equal, different, or `None`: not to be told without algebra."""
    one, other = _tidy(gold), _tidy(answer)
    if one == other:
        return True
    a, b = _number(one), _number(other)
    return None if a is None or b is None else a == b


def _tidy(text: str) -> str:
    text = text.strip()
    while len(text) > 2 and text.startswith("$") and text.endswith("$"):
        text = text[1:-1].strip()
    return text


def _number(text: str) -> Fraction | None:
    text = _tidy(text)
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text) or not text.isascii():
        return None
    return Fraction(text.replace(",", ""))
