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
    """How the answer was found (`boxed`, `stated`); or `truncated`: out of tokens without an answer,
    `no_answer`: ended without one; or why it is unscored (`timeout`, `crash`, `not_sampled: …`)."""
