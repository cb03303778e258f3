"""What was decided about one answer, by whom, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DecidedBy", "Verdict", "VerdictName"]

VerdictName = Literal["correct", "incorrect", "unscored"]
DecidedBy = Literal["rule", "judge", "execution"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Correct, incorrect, or unscored: a failure of ours, counted and shown, never an answer's fault."""

    name: VerdictName
    decided_by: DecidedBy | None
    """None for unscored."""
    reason: str
    """Of the rule: how the answer was found (`boxed`, `stated`, `bare`), or `truncated`: out of tokens without an
    answer, `no_answer`: ended without one. Of the judge: why it was asked (`rule_different`, `rule_units`,
    `rule_timeout` …). Of nobody: what the rule could not decide (`Comparison.reason`), why the judge gave no label
    (`Ruling.reason`), or `not_sampled: …`."""
