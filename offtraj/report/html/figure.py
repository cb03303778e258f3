"""Figures of a page, drawn by matplotlib: scores with their 95 % bands, and what they are held against.

Colours are names of roles, which the page's style sheet gives a light and a dark value (`offtraj/page/drawing.py`).
Names of models stand beside the figures, in the page's legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from offtraj.report.html.drawing import GRID, INK, MUTED, PAPER, SERIES, draw
from offtraj.report.paper import ReferencePoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DASHES", "MARKERS", "Point", "bars_figure", "lines_figure", "scatter_figure"]

MARKERS = "osD^vPX"
DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)))


class Point(NamedTuple):
    """A score, with its interval, at a place on the horizontal axis. In percent."""

    x: float
    y: float
    low: float
    high: float


def lines_figure(name: str, series: Sequence[tuple[int, Sequence[Point]]], xlabel: str, title: str) -> str:
    """Scores by position or ratio, a line with its band for each run.

    Args:
        name: Of the figure: its ids begin with it.
        series: Numbers of runs, and their points.
        xlabel: What stands under the horizontal axis.
        title: What is read out for the figure.
    """

    def plot(axes: Axes) -> None:
        _axes(axes, xlabel, "solved (%)")
        axis_values = sorted({point.x for _, points in series for point in points})
        axes.set_xticks(axis_values)
        axes.margins(x=0.06)
        shade = 0.16 if len(series) < 4 else 0.1 if len(series) < 8 else 0.05  # many bands lie over each other
        for number, points in series:
            x, y, low, high = zip(*points, strict=True)
            colour = SERIES[number % len(SERIES)]
            group = f"run-{number}"
            axes.fill_between(x, low, high, color=colour, alpha=shade, linewidth=0, gid=f"{group}.band")
            for edge in (low, high):
                axes.plot(x, edge, color=colour, alpha=0.45, linewidth=0.6, gid=f"{group}.edge")
            if len(points) == 1:
                axes.errorbar(x, y, [[y[0] - low[0]], [high[0] - y[0]]], color=colour, linewidth=1.4)
            axes.plot(x, y, linestyle=_dash(number), color=colour, linewidth=1.8, gid=f"{group}.line")
            _dots(axes, number, x, y)

    return draw(name, title, plot)


def bars_figure(name: str, series: Sequence[tuple[int, Sequence[Point]]], ticks: Sequence[str], title: str) -> str:
    """Scores by solve rate, side by side, with their intervals.

    Args:
        name: Of the figure.
        series: Numbers of runs, and their points; `x` counts the ticks.
        ticks: What stands under the horizontal axis.
        title: What is read out for the figure.
    """

    def plot(axes: Axes) -> None:
        _axes(axes, "solved solo (of its solo samples)", "solved (%)")
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlim(-0.5, len(ticks) - 0.5)
        step = min(0.16, 0.7 / max(len(series), 1))
        for axis_value, (number, points) in enumerate(series):
            shift = (axis_value - (len(series) - 1) / 2) * step
            colour = SERIES[number % len(SERIES)]
            for point in points:
                axes.vlines(
                    point.x + shift, point.low, point.high, color=colour, linewidth=1.4, gid=f"run-{number}.bar"
                )
            x, y = [point.x + shift for point in points], [point.y for point in points]
            _dots(axes, number, x, y)

    return draw(name, title, plot)


def scatter_figure(
    name: str, series: Sequence[tuple[int, Point, Point]], references: Sequence[ReferencePoint], title: str
) -> str:
    """Recoverability against accuracy solo, before the paper's models.

    Args:
        name: Of the figure.
        series: Numbers of runs, with their accuracy solo (`y` of the first point) and their recoverability.
        references: The paper's models.
        title: What is read out for the figure.
    """

    def plot(axes: Axes) -> None:
        _axes(axes, "solved solo (average Pass@1, %)", "recoverability (%)")
        axes.set_xlim(0, 102)
        axes.set_xticks(range(0, 101, 20))
        for reference in references:
            x, y = 100 * reference.solo, 100 * reference.recoverability
            text = f"{reference.model}: {x:.1f} % solo, {y:.1f} % recovered (paper)"
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
            colour = SERIES[number % len(SERIES)]
            axes.vlines(solo.y, found.low, found.high, color=colour, linewidth=1.4, gid=f"run-{number}.bar")
            axes.hlines(found.y, solo.low, solo.high, color=colour, linewidth=1.4, gid=f"run-{number}.bar")
            _dots(axes, number, [solo.y], [found.y], size=7)

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


def _dots(axes: Axes, number: int, x: Sequence[float], y: Sequence[float], *, size: float = 5.5) -> None:
    axes.plot(
        x,
        y,
        linestyle="none",
        marker=MARKERS[number % len(MARKERS)],
        markersize=size,
        color=SERIES[number % len(SERIES)],
        markeredgecolor=PAPER,
        markeredgewidth=0.9,
        gid=f"run-{number}.dots",
    )
