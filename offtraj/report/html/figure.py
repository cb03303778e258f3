"""Curves, bars and points of scores with 95 % intervals, drawn by matplotlib.

Colours are names of roles, for which the page's style sheet has a light and a dark value (see `drawing`). The names of
runs are in the page's legend, not in the figures. Points of too few questions are grey, and have no interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from offtraj.report.html.drawing import GRID, INK, MUTED, PAPER, SERIES, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DASHES", "MARKERS", "Point", "Reference", "bars_figure", "lines_figure", "scatter_figure"]

MARKERS = "osD^vPX"
DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)))


class Point(NamedTuple):
    """A score with its interval. In percent, but for `x`, which is a value on the horizontal axis."""

    x: float
    y: float
    low: float = math.nan
    """Not a number without an interval."""
    high: float = math.nan
    small: bool = False
    """Whether it is greyed out: it is based on too few questions."""


class Reference(NamedTuple):
    """A model of the paper. Shares."""

    model: str
    solo: float
    score: float


def lines_figure(name: str, series: Sequence[tuple[int, Sequence[Point]]], xlabel: str, title: str) -> str:
    """Scores by position or ratio as an `svg` element: a line with its band for each run.

    Args:
        name: Prefix of the ids in the figure.
        series: Numbers of runs with their points, of which there is at least one each.
        xlabel: Label of the horizontal axis.
        title: Text alternative for the figure.
    """

    def plot(axes: Axes) -> None:
        _axes(axes, xlabel, "solved (%)")
        axis_values = sorted({point.x for _, points in series for point in points})
        axes.set_xticks(axis_values)
        axes.margins(x=0.06)
        shade = 0.16 if len(series) < 4 else 0.1 if len(series) < 8 else 0.05  # many bands lie over each other
        for number, points in series:
            x, y, low, high, small = zip(*points, strict=True)
            grey = all(small)
            colour = MUTED if grey else SERIES[number % len(SERIES)]
            group = f"run-{number}"
            axes.fill_between(x, low, high, color=colour, alpha=shade, linewidth=0, gid=f"{group}.band")
            for edge in (low, high):
                axes.plot(x, edge, color=colour, alpha=0.45, linewidth=0.6, gid=f"{group}.edge")
            if len(points) == 1 and not math.isnan(low[0]):
                axes.errorbar(x, y, [[y[0] - low[0]], [high[0] - y[0]]], color=colour, linewidth=1.4)
            axes.plot(
                x,
                y,
                linestyle=_dash(number),
                color=colour,
                linewidth=1.2 if grey else 1.8,
                alpha=0.45 if grey else None,
                zorder=1.5 if grey else 2,
                gid=f"{group}.line",
            )
            _dots(axes, number, points)

    return draw(name, title, plot)


def bars_figure(name: str, series: Sequence[tuple[int, Sequence[Point]]], ticks: Sequence[str], title: str) -> str:
    """Scores by solo solve rate as an `svg` element: points of all runs side by side, with their intervals.

    Args:
        name: Prefix of the ids in the figure.
        series: Numbers of runs with their points; `x` is the index of a tick.
        ticks: Labels of the ticks.
        title: Text alternative for the figure.
    """

    def plot(axes: Axes) -> None:
        _axes(axes, "solo solve rate", "solved (%)")
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlim(-0.5, len(ticks) - 0.5)
        step = min(0.16, 0.7 / max(len(series), 1))
        for index, (number, points) in enumerate(series):
            shift = (index - (len(series) - 1) / 2) * step
            shifted = [point._replace(x=point.x + shift) for point in points]
            for point in shifted:
                _bar(axes, number, point)
            _dots(axes, number, shifted)

    return draw(name, title, plot)


def scatter_figure(
    name: str, series: Sequence[tuple[int, Point, Point]], references: Sequence[Reference], test: str, title: str
) -> str:
    """Scores of a test against solo scores as an `svg` element, in front of the paper's models.

    Args:
        name: Prefix of the ids in the figure.
        series: Numbers of runs with their solo score (`y` of the first point) and their score.
        references: The paper's models.
        test: Name of the test.
        title: Text alternative for the figure.
    """

    def plot(axes: Axes) -> None:
        _axes(axes, "solo (average Pass@1, %)", f"{test} (%)")
        axes.set_xlim(0, 102)
        axes.set_xticks(range(0, 101, 20))
        for reference in references:
            x, y = 100 * reference.solo, 100 * reference.score
            text = f"{reference.model}: {x:.1f} % solo, {y:.1f} % {test} (paper)"
            axes.plot(
                [x],
                [y],
                "o",
                markersize=5,
                color=MUTED,
                alpha=0.55,
                markeredgewidth=0,
                gid=f"title:{text}",
            )
        for number, solo, found in series:
            point = found._replace(x=solo.y)
            _bar(axes, number, point)
            if not math.isnan(solo.low):
                colour = SERIES[number % len(SERIES)]
                axes.hlines(found.y, solo.low, solo.high, color=colour, linewidth=1.4, gid=f"run-{number}.bar")
            _dots(axes, number, [point], size=7)

    return draw(name, title, plot)


def _axes(axes: Axes, xlabel: str, ylabel: str) -> None:
    axes.set_ylim(-3, 103)
    axes.set_yticks(range(0, 101, 20))
    axes.set_xlabel(xlabel, color=INK, fontsize=10.5, labelpad=5)
    axes.set_ylabel(ylabel, color=INK, fontsize=10.5, labelpad=4)
    axes.tick_params(colors=MUTED, labelsize=10, length=0, pad=5)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(GRID)


def _dash(number: int) -> str | tuple[int, tuple[float, ...]]:
    return DASHES[number // len(SERIES) % len(DASHES)]


def _bar(axes: Axes, number: int, point: Point) -> None:
    """A vertical interval; nothing without one."""
    if not math.isnan(point.low):
        colour = MUTED if point.small else SERIES[number % len(SERIES)]
        axes.vlines(point.x, point.low, point.high, color=colour, linewidth=1.4, gid=f"run-{number}.bar")


def _dots(axes: Axes, number: int, points: Sequence[Point], *, size: float = 5.5) -> None:
    for small in (False, True):
        found = [point for point in points if point.small == small]
        if found:
            axes.plot(
                [point.x for point in found],
                [point.y for point in found],
                linestyle="none",
                marker=MARKERS[number % len(MARKERS)],
                markersize=size,
                color=MUTED if small else SERIES[number % len(SERIES)],
                alpha=0.6 if small else None,
                zorder=1.6 if small else 2,
                markeredgecolor=PAPER,
                markeredgewidth=0.9,
                gid=f"run-{number}.{'small' if small else 'dots'}",
            )
