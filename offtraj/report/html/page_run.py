"""A run on a page: its scores, its number in figures, and the data set that its prefixes come from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offtraj.dataset.folder import DataFolder
from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.scores import Cell
from offtraj.metrics.solo import SoloScore
from offtraj.report.labels import SUBSETS
from offtraj.run.record import RunData

__all__ = ["PageRun"]


@dataclass(frozen=True)
class PageRun:
    """One run of a page."""

    number: int
    """Its place among the page's runs, from 0; it decides the run's colour and marker."""
    scored: ScoredRun
    data: DataFolder | None
    """The data set that it was made on; `None` where it was not found."""
    why_no_data: str
    """Why it was not found; empty where it was."""

    @property
    def data_name(self) -> str:
        """Name and version of the data set, from the run's record."""
        data = self.scored.record.data or RunData()
        return f"{data.name} {data.version}"

    @property
    def configs(self) -> Sequence[str]:
        """Configurations of the data set that the run was made on."""
        return (self.scored.record.data or RunData()).configs or ()

    @property
    def unscored(self) -> int:
        """Number of outcomes without a verdict."""
        return sum(count.n for count in self.scored.verdicts if count.verdict == "unscored")

    def averages(self, tests: Sequence[str]) -> list[Cell | SoloScore | None]:
        """The run's row of Table 1: its solo score, then the averages of each test and subset."""
        cells = [self.scored.whole(test=test, subset=subset) for test in tests for subset in SUBSETS]
        return [self.scored.solo, *cells]

    @property
    def strata(self) -> list[Cell]:
        """Averages by solo solve rate: the default variant on the individual subset."""
        return [cell for cell in self.scored.strata if _is_stratum(cell)]

    @property
    def usages(self) -> list[Cell]:
        """Cells with known token usage: the default variant over all guides."""
        cells = self.scored.cells
        return [cell for cell in cells if (cell.variant, cell.guide) == ("default", None) and cell.usage.is_known]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The fields of `run.json` by dotted name."""
        return list(_flat("", self.scored.record.model_dump(mode="json", exclude_unset=True)))


def _is_stratum(cell: Cell) -> bool:
    whole = cell.axis_value is None and cell.guide is None and cell.solve_rate is not None
    return whole and (cell.variant, cell.subset) == ("default", "individual") and cell.score is not None


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
