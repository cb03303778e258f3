"""What a doctor finds: one value for each check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Diagnosis", "Finding", "State"]

State = Literal["exact", "inexact", "unsupported"]
"""`exact`: as an exact run needs it; `inexact`: it works, and changes something; `unsupported`: it does not
work, or nothing shows that it does. `found` says which."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check."""

    check: str
    state: State
    found: str
    """What was seen, for a reader."""
    remedy: str = ""
    """What to do about it; empty where nothing is to be done."""
    needed: bool = True
    """Whether a run of this spec would not be exact, or not work, unless the state is `exact`."""
    ends: bool = False
    """Whether nothing more can be examined."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was found of one model with one engine."""

    model: str
    engine: str
    """Its name in the spec, or what was given instead."""
    findings: tuple[Finding, ...]

    @property
    def ailing(self) -> tuple[Finding, ...]:
        """What stands in the way of an exact run."""
        return tuple(one for one in self.findings if one.needed and one.state != "exact")

    def as_json(self) -> dict[str, object]:
        """As plain values."""
        return {
            "model": self.model,
            "engine": self.engine,
            "exact": not self.ailing,
            "findings": [_plain(one) for one in self.findings],
        }


def _plain(finding: Finding) -> dict[str, object]:
    values = asdict(finding)
    del values["ends"]
    return values
