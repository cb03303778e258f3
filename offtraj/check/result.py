"""What comes of a check: problems, each with its place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Checked", "Problem"]

_MOST = 50  # problems that are told of one configuration


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be."""

    where: str
    """A file, or a configuration and row."""
    what: str


@dataclass
class Checked:
    """What came of a check."""

    problems: list[Problem] = field(default_factory=list)
    untold: Counter[str] = field(default_factory=Counter)
    """How many more problems a configuration has."""
    rows: int = 0
    """Steered rows that were read."""
    not_loaded: dict[str, str] = field(default_factory=dict)
    """Models whose trajectories could not be used, and why: their segments were not looked up."""
    not_made: dict[str, list[str]] = field(default_factory=dict)
    """Configurations that could not be made again here, with those of the models that they need."""

    not_graded: str = ""
    """Why the verdicts were not given again."""

    def say(self, where: str, what: str, config: str | None = None) -> None:
        """Note a problem; of one configuration only the first."""
        if config is not None and sum(p.where.startswith(f"{config} ") for p in self.problems) >= _MOST:
            self.untold[config] += 1
        else:
            self.problems.append(Problem(where, what))
