"""The doctor's findings: one value for each check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Diagnosis", "Finding", "State"]

State = Literal["exact", "inexact", "unsupported"]
"""`exact`: as an exact run needs it; `inexact`: it works but changes something; `unsupported`: it does not work, or
nothing shows that it works. `found` says which."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    state: State
    found: str
    """The observation, as text."""
    remedy: str = ""
    """What a user can do; empty where there is nothing to do."""
    needed: bool = True
    """Whether runs of this spec are exact only if the state is `exact`."""
    ends: bool = False
    """Whether the examination cannot go on."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings for one model on one engine."""

    model: str
    engine: str
    """Its name in the spec, or the URL that was given instead."""
    findings: tuple[Finding, ...]

    @property
    def ailing(self) -> tuple[Finding, ...]:
        """The findings that prevent an exact run."""
        return tuple(one for one in self.findings if one.needed and one.state != "exact")

    def as_json(self) -> dict[str, object]:
        """The diagnosis as plain values for JSON."""
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
