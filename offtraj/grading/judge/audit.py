"""The audit of rule and judge: the share of the rule's passes that the judge confirms, and of wrong answers it accepts.

A judge that is asked only where the rule does not pass can err in one direction only. Therefore a share of the passes
is judged as well, each with a *negative control*: the same question with an answer that is known to be wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from offtraj._util.digest import rank
from offtraj.grading.judge.judge import Ruling

__all__ = ["Audit", "AuditReport", "chosen", "known_wrong"]

_WHOLE = 2.0**64
_NUMBER = re.compile(r"(?<![\w.^_{])\d+(?![\w.])|(?<=\{)\d+(?=\})")


class AuditReport(NamedTuple):
    """Counts of an audit, over distinct answers."""

    passes: int
    """Passes of the rule on which the judge ruled."""
    confirmed: int
    """Passes that the judge labels CORRECT."""
    controls: int
    """Negative controls on which the judge ruled."""
    accepted: int
    """Negative controls that the judge labels CORRECT."""
    unruled: int
    """Passes and controls without a readable ruling."""

    @property
    def agreement(self) -> float | None:
        """Confirmed passes as a share of the audited passes; none without passes."""
        return self.confirmed / self.passes if self.passes else None

    @property
    def false_positive_rate(self) -> float | None:
        """Accepted controls as a share of all controls; none without controls."""
        return self.accepted / self.controls if self.controls else None

    def to_json(self) -> Mapping[str, float | int | None]:
        """The counts and both shares, as `scores.json` holds them."""
        return {**self._asdict(), "agreement": self.agreement, "false_positive_rate": self.false_positive_rate}

    @classmethod
    def from_json(cls, found: Mapping[str, float | int | None]) -> AuditReport:
        """The counts in a `scores.json`; in runs of version 0.1.0, `controls` is called `canaries`.

        Raises:
            KeyError: when a count is missing.
            TypeError: when a count is null.
        """
        counts = {**found, "controls": found["controls"] if "controls" in found else found["canaries"]}
        return cls(*(int(counts[name]) for name in cls._fields))  # type: ignore[arg-type]


@dataclass
class Audit:
    """The judge's rulings on audited passes and controls, one for each distinct answer."""

    share: float
    """Share of the rule's passes that is audited, from 0 to 1."""
    seed: int
    """Seed of the choice of passes."""
    passes: dict[str, Ruling] = field(default_factory=dict)
    controls: dict[str, Ruling] = field(default_factory=dict)

    def report(self) -> AuditReport:
        """The counts of the rulings so far."""
        passed = Counter(ruling.label for ruling in self.passes.values())
        accepted = Counter(ruling.label for ruling in self.controls.values())
        return AuditReport(
            passes=passed["correct"] + passed["wrong"],
            confirmed=passed["correct"],
            controls=accepted["correct"] + accepted["wrong"],
            accepted=accepted["correct"],
            unruled=passed[None] + accepted[None],
        )


def chosen(share: float, seed: int, *ids: str) -> bool:
    """Whether an item is in the chosen share of all items, decided by a hash of the seed and the ids."""
    return rank(seed, "audit", *ids) < share * _WHOLE


def known_wrong(gold: str) -> str | None:
    r"""A negative control: the gold answer with its last whole number replaced by twice that number plus 1.

    The number is changed by that much because a judge may accept small differences: `\frac{3}{4}` becomes
    `\frac{3}{9}`. `None` for a gold answer without a whole number. Callers let the rule confirm that it differs.
    """
    numbers = list(_NUMBER.finditer(gold))
    if not numbers:
        return None
    last = numbers[-1]
    return f"{gold[: last.start()]}{2 * int(last[0]) + 1}{gold[last.end() :]}"
