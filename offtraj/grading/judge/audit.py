"""How far rule and judge can be trusted: what of the rule's passes the judge confirms, and what it falls for.

A judge that only turns the rule's refusals into passes errs one way. So a share of the passes is judged as
well, and for each of them a *negative control*: the same question with an answer that is known to be wrong.
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
    """Counts of distinct answers."""

    passes: int
    """Passes of the rule that the judge ruled on."""
    confirmed: int
    """Of them, those that it calls CORRECT, too."""
    controls: int
    """Answers known to be wrong that the judge ruled on."""
    accepted: int
    """Of them, those that it calls CORRECT."""
    unruled: int
    """Passes and controls on which it gave no readable ruling."""

    @property
    def agreement(self) -> float | None:
        """Share of the rule's passes that the judge confirms; none without any."""
        return self.confirmed / self.passes if self.passes else None

    @property
    def false_positive_rate(self) -> float | None:
        """Share of the known-wrong answers that the judge accepts; none without any."""
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
    """What the judge said of audited passes and of controls, each distinct one once."""

    share: float
    """Of the rule's passes."""
    seed: int
    passes: dict[str, Ruling] = field(default_factory=dict)
    controls: dict[str, Ruling] = field(default_factory=dict)

    def report(self) -> AuditReport:
        """The counts so far."""
        passed = Counter(ruling.label for ruling in self.passes.values())
        fooled = Counter(ruling.label for ruling in self.controls.values())
        return AuditReport(
            passes=passed["correct"] + passed["wrong"],
            confirmed=passed["correct"],
            controls=fooled["correct"] + fooled["wrong"],
            accepted=fooled["correct"],
            unruled=passed[None] + fooled[None],
        )


def chosen(share: float, seed: int, *ids: str) -> bool:
    """Whether something is in a share of all, by the hash of what it is."""
    return rank(seed, "audit", *ids) < share * _WHOLE


def known_wrong(gold: str) -> str | None:
    r"""An answer that is wrong for certain: another number in the place of the gold answer's last one.

    It is far off, because a judge may permit small differences: of `\frac{3}{4}`, `\frac{3}{9}`. `None` for
    a gold answer without a whole number of its own. Whoever uses it lets the rule confirm that it differs.
    """
    numbers = list(_NUMBER.finditer(gold))
    if not numbers:
        return None
    last = numbers[-1]
    return f"{gold[: last.start()]}{2 * int(last[0]) + 1}{gold[last.end() :]}"
