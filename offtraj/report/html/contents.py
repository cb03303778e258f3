"""What stands in a page above its viewer: tables, figures, verdicts and provenance, computed from runs' outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from offtraj.dataset.folder import DataFolder
from offtraj.evaluate.run_folder import RunFolder
from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.intervals import Interval
from offtraj.metrics.scores import Cell, VerdictCount
from offtraj.metrics.solo import SoloScore
from offtraj.metrics.summary import RunSummary
from offtraj.report.html.figure import Point, bars_figure, lines_figure, scatter_figure
from offtraj.report.paper import reference_points
from offtraj.run.solo import rate_order
from offtraj.spec import Subset, TestName

if TYPE_CHECKING:
    from offtraj.report.paper import Domain

__all__ = ["Figure", "Shown", "all_figures", "shown_run"]

_TESTS: tuple[TestName, ...] = ("recoverability", "guidability")
_SUBSETS: tuple[Subset, ...] = ("shared", "individual")


@dataclass(frozen=True)
class Shown:
    """A run, with all that is computed from it."""

    number: int
    name: str
    """The model's id, with the folder's name where another run has the same."""
    run: RunFolder
    data: DataFolder | None
    why_no_data: str
    cells: Sequence[Cell]
    strata: Sequence[Cell]
    """By solve rate: the default variant on the individual subset, over all positions or ratios."""
    verdicts: Sequence[VerdictCount]
    solo: SoloScore | None
    """Without anything injected, where that is known."""
    summary: RunSummary
    """How prompts were sent, what ran out of tokens, and what is unscored."""

    @property
    def outcomes(self) -> int:
        """How many there are."""
        return sum(count.n for count in self.verdicts)

    @property
    def unscored(self) -> int:
        """How many have no verdict."""
        return sum(count.n for count in self.verdicts if count.verdict == "unscored")

    def average(self, test: str, subset: str) -> Cell | None:
        """A cell of the paper's Table 1."""
        return next(
            (
                cell
                for cell in self.cells
                if (cell.test, cell.subset, cell.variant, cell.guide, cell.axis_value)
                == (test, subset, "default", None, None)
            ),
            None,
        )

    @property
    def averages(self) -> list[tuple[float | None, Interval | None]]:
        """Table 1: accuracy solo, then the tests' subsets."""
        cells = [self.average(test, subset) for test in _TESTS for subset in _SUBSETS]
        solo = (None, None) if self.solo is None else (self.solo.score, self.solo.interval)
        return [solo, *((None, None) if cell is None else (cell.score, cell.interval) for cell in cells)]

    @property
    def usages(self) -> list[Cell]:
        """Where tokens ran out, by position or ratio: the default variant over all guides."""
        return [cell for cell in self.cells if (cell.variant, cell.guide) == ("default", None) and cell.usage.is_known]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """`run.json`, flat."""
        return list(_flat("", self.run.record.model_dump(mode="json", exclude_unset=True)))


@dataclass(frozen=True)
class Figure:
    """A drawing and the words beside it."""

    caption: str
    note: str
    svg: str


def shown_run(number: int, run: ScoredRun, data: DataFolder | None, why: str) -> Shown:
    """What the page shows of a run."""
    return Shown(
        number=number,
        name=run.name,
        run=run.folder,
        data=data,
        why_no_data=why,
        cells=run.cells,
        strata=[cell for cell in run.strata if _is_stratum(cell)],
        verdicts=run.verdicts,
        solo=run.solo,
        summary=run.summary,
    )


def _is_stratum(cell: Cell) -> bool:
    whole = cell.axis_value is None and cell.guide is None and cell.solve_rate is not None
    return whole and (cell.variant, cell.subset) == ("default", "individual") and cell.score is not None


def all_figures(runs: Sequence[Shown]) -> dict[str, list[Figure]]:
    """Figures by section: `recoverability`, `guidability`, `solo`, `strata`."""
    found: dict[str, list[Figure]] = {test: list(_by_axis(test, runs)) for test in _TESTS}
    return {**found, "solo": list(_solo(runs)), "strata": list(_strata(runs))}


def _by_axis(test: TestName, runs: Sequence[Shown]) -> Iterator[Figure]:
    keys = dict.fromkeys((c.variant, c.subset) for run in runs for c in run.cells if c.test == test)
    for at, (variant, subset) in enumerate(
        sorted(keys, key=lambda key: (key[0] != "default", key[0], key[1] != "shared"))
    ):
        series = []
        for run in runs:
            points = [
                _point(100 * cell.axis_value, cell.score, cell.interval)
                for cell in run.cells
                if (cell.test, cell.variant, cell.subset, cell.guide) == (test, variant, subset, None)
                and cell.axis_value is not None
                and cell.score is not None
            ]
            if points:
                series.append((run.number, points))
        if not series:
            continue
        words = "position of the distractor (% of own thinking)"
        if test == "guidability":
            words = "given of the guide's thinking (%)"
        caption = f"{subset} subset" + ("" if variant == "default" else f", {variant}")
        title = f"{test.capitalize()}, {caption}: share solved by {words}, with 95 % bands"
        least, most = _range(cell.n for run in runs for cell in run.cells if _in(cell, test, variant, subset))
        note = f"{least:,} outcomes a point" if least == most else f"{least:,} to {most:,} outcomes a point"
        yield Figure(caption, note, lines_figure(f"{test}-{at}", series, words, title))


def _in(cell: Cell, test: str, variant: str, subset: str) -> bool:
    there = (cell.test, cell.variant, cell.subset, cell.guide) == (test, variant, subset, None)
    return there and cell.axis_value is not None and cell.score is not None


def _range(numbers: Iterator[int]) -> tuple[int, int]:
    found = list(numbers)
    return min(found), max(found)


def _solo(runs: Sequence[Shown]) -> Iterator[Figure]:
    domains = {run.data.manifest.domain for run in runs if run.data is not None}
    for subset in _SUBSETS:
        series = []
        for run in runs:
            cell = run.average("recoverability", subset)
            if cell is not None and cell.score is not None and run.solo is not None:
                solo = _point(0.0, run.solo.score, run.solo.interval)
                series.append((run.number, solo, _point(solo.y, cell.score, cell.interval)))
        if series:
            points = [point for domain in sorted(domains) for point in reference_points(cast("Domain", domain), subset)]
            title = f"Recoverability ({subset} subset) against accuracy solo, with 95 % intervals"
            note = f"grey: the paper's {len(points)} models, on its own questions" if points else ""
            yield Figure(f"{subset} subset", note, scatter_figure(f"solo-{subset}", series, points, title))


def _strata(runs: Sequence[Shown]) -> Iterator[Figure]:
    for test in _TESTS:
        rates = sorted(
            {str(cell.solve_rate) for run in runs for cell in run.strata if cell.test == test}, key=rate_order
        )
        if not rates:
            continue
        series = [
            (
                run.number,
                [
                    _point(rates.index(str(cell.solve_rate)), cell.score, cell.interval)
                    for cell in run.strata
                    if cell.test == test
                ],
            )
            for run in runs
        ]
        ticks = rates
        drawn = [(number, points) for number, points in series if points]
        title = f"{test.capitalize()} by how often a question is solved solo, with 95 % intervals"
        yield Figure(test, "individual subset", bars_figure(f"strata-{test}", drawn, ticks, title))


def _point(x: float, score: float | None, interval: Interval | None) -> Point:
    assert score is not None
    low, high = (score, score) if interval is None else (interval.low, interval.high)
    return Point(x, 100 * score, 100 * min(low, score), 100 * max(high, score))


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
