"""The result of a check: problems with their places, and what could not be checked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Checked", "Problem"]

_MOST = 50  # problems of one configuration that are listed


@dataclass(frozen=True, slots=True)
class Problem:
    """An inconsistency of a data set."""

    where: str
    """A file, or a configuration and row."""
    what: str


@dataclass
class Checked:
    """The result of a check."""

    problems: list[Problem] = field(default_factory=list)
    untold: Counter[str] = field(default_factory=Counter)
    """Number of further problems, by configuration."""
    rows: int = 0
    """Number of steered rows that were read."""
    not_loaded: dict[str, str] = field(default_factory=dict)
    """Models whose trajectories could not be used, with the reason; segments of theirs were not checked."""
    not_made: dict[str, list[str]] = field(default_factory=dict)
    """Configurations that could not be rebuilt, with the models that were lacking."""
    not_graded: str = ""
    """Why the verdicts were not checked; empty if they were."""

    def say(self, where: str, what: str, config: str | None = None) -> None:
        """Add a problem; of one configuration only the first 50 are listed."""
        if config is not None and sum(p.where.startswith(f"{config} ") for p in self.problems) >= _MOST:
            self.untold[config] += 1
        else:
            self.problems.append(Problem(where, what))
