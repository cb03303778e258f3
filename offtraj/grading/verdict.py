"""Verdicts: what is decided about one response, by whom, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DecidedBy", "Verdict", "VerdictName"]

VerdictName = Literal["correct", "incorrect", "unscored"]
DecidedBy = Literal["rule", "judge", "execution"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one response.

    Running out of tokens without an answer is incorrect. Unscored is for failures of grading or sampling, which are
    counted and shown, and are never scored as wrong answers.
    """

    name: VerdictName
    decided_by: DecidedBy | None
    """None for unscored."""
    reason: str
    """Decided by the rule: how the answer was found (`boxed`, `stated`, `bare`), or why there is none (`truncated`: out
    of tokens, `no_answer`: the response ended without one). By the judge: why it was asked (`rule_different`,
    `rule_units`, `rule_timeout` …). Unscored: what the rule could not decide (`Comparison.reason`), why the judge gave
    no label (`Ruling.reason`), or `not_sampled: …`."""
