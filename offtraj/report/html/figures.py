"""The figures of a page: which curves, points and bars each shows. Drawing them is left to `figure`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from offtraj.metrics.intervals import Interval
from offtraj.metrics.scores import Cell
from offtraj.report.html.figure import Point, Reference, bars_figure, lines_figure, scatter_figure
from offtraj.report.html.page_run import PageRun
from offtraj.report.labels import SMALL, SUBSETS, axis_of, subset_order
from offtraj.report.paper import Domain, reference_points
from offtraj.run.solo import rate_order
from offtraj_builders.definitions import TESTS

__all__ = ["Figure", "axis_figures", "solo_figures", "strata_figures"]


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption and note."""

    caption: str
    note: str
    svg: str


def axis_figures(number: int, test: str, runs: Sequence[PageRun]) -> list[Figure]:
    """Scores of a test by position or ratio: a figure for each variant and subset.

    Args:
        number: The test's place among the page's tests; ids in the figures begin with it.
        test: Name of the test.
        runs: The page's runs.
    """
    cells = [cell for run in runs for cell in run.scored.cells if cell.test == test]
    axis = axis_of(test, cells)
    keys = sorted(
        {(cell.variant, cell.subset) for cell in cells},
        key=lambda key: (key[0] != "default", key[0], subset_order(key[1]), key[1]),
    )
    found = []
    for at, (variant, subset) in enumerate(keys):

        def in_figure(cell: Cell, wanted: tuple[str, str, str, None] = (test, variant, subset, None)) -> bool:
            there = (cell.test, cell.variant, cell.subset, cell.guide) == wanted
            return there and cell.axis_value is not None and cell.score is not None

        drawn = list(filter(in_figure, cells))
        if not drawn:
            continue
        series = _series(runs, in_figure, lambda cell: 100 * (cell.axis_value or 0.0))
        caption = f"{subset} subset" + ("" if variant == "default" else f", {variant}")
        title = f"{test.capitalize()}, {caption}: share solved by {axis.label}, with 95 % bands"
        least, most = min(cell.n for cell in drawn), max(cell.n for cell in drawn)
        note = f"{least:,} outcomes a point" if least == most else f"{least:,} to {most:,} outcomes a point"
        svg = lines_figure(f"test-{number}-{at}", series, axis.label, title)
        found.append(Figure(caption, note + _grey(drawn), svg))
    return found


def solo_figures(runs: Sequence[PageRun]) -> list[Figure]:
    """Scores of each test that distracts the model from its own thinking, against solo scores.

    Scores of too few questions are left out.
    """
    return [
        figure
        for test in TESTS
        if not test.guided
        for subset in SUBSETS
        if (figure := _solo_figure(test.name, subset, runs)) is not None
    ]


def strata_figures(tests: Sequence[str], runs: Sequence[PageRun]) -> list[Figure]:
    """Averages by solo solve rate, a figure for each test."""
    return list(_strata(tests, runs))


def _solo_figure(test: str, subset: str, runs: Sequence[PageRun]) -> Figure | None:
    series, left_out = [], 0
    for run in runs:
        cell, solo = run.scored.whole(test=test, subset=subset), run.scored.solo
        if cell is None or cell.score is None or solo is None:
            continue
        if cell.is_small or solo.is_small:
            left_out += 1
            continue
        solved = _point(0.0, solo.score, solo.interval)
        series.append((run.number, solved, _point(solved.y, cell.score, cell.interval)))
    if not series:
        return None
    domains = sorted({run.data.manifest.domain for run in runs if run.data is not None})
    points = [
        Reference(one.model, one.solo, one.scores[test])
        for domain in domains
        for one in reference_points(cast("Domain", domain), "shared" if subset == "shared" else "individual")
        if test in one.scores
    ]
    notes = [f"grey: the paper's {len(points)} models, on its own questions"] if points else []
    notes += [f"{left_out} left out: {SMALL}"] if left_out else []
    title = f"{test.capitalize()} ({subset} subset) against solo score, with 95 % intervals"
    svg = scatter_figure(f"solo-{test}-{subset}", series, points, test, title)
    return Figure(f"{subset} subset", "; ".join(notes), svg)


def _strata(tests: Sequence[str], runs: Sequence[PageRun]) -> Iterator[Figure]:
    strata = {run.number: run.strata for run in runs}
    for number, test in enumerate(tests):
        cells = [cell for found in strata.values() for cell in found if cell.test == test]
        rates = sorted({str(cell.solve_rate) for cell in cells}, key=rate_order)
        if not rates:
            continue
        series = [
            (run, [_of(rates.index(str(cell.solve_rate)), cell) for cell in found if cell.test == test])
            for run, found in strata.items()
        ]
        drawn = [(run, points) for run, points in series if points]
        title = f"{test.capitalize()} by solo solve rate of the questions, with 95 % intervals"
        svg = bars_figure(f"strata-{number}", drawn, rates, title)
        yield Figure(test, "individual subset" + _grey(cells), svg)


def _series(
    runs: Sequence[PageRun], in_figure: Callable[[Cell], bool], x: Callable[[Cell], float]
) -> list[tuple[int, list[Point]]]:
    found = [(run.number, [_of(x(cell), cell) for cell in run.scored.cells if in_figure(cell)]) for run in runs]
    return [(number, points) for number, points in found if points]


def _of(x: float, cell: Cell) -> Point:
    assert cell.score is not None
    return _point(x, cell.score, cell.interval)._replace(small=cell.is_small)


def _point(x: float, score: float, interval: Interval | None) -> Point:
    if interval is None:
        return Point(x, 100 * score)
    return Point(x, 100 * score, 100 * min(interval.low, score), 100 * max(interval.high, score))


def _grey(cells: Sequence[Cell]) -> str:
    return f"; grey: {SMALL}" if any(cell.is_small for cell in cells) else ""
