"""A run's scores and the paper's as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from offtraj.metrics.intervals import percent
from offtraj.report.labels import SMALL, is_guided
from offtraj.report.paper import PaperComparison
from offtraj.report.table import make_table, shade

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["paper_table"]

_ANSWERS = {True: "yes", False: "no", None: "–"}


def paper_table(name: str, rows: Sequence[PaperComparison]) -> Table:
    """A row for each number that both have, in percent."""
    table = make_table(
        f"{name}: compared with the paper, in percent (95 %)",
        ["test", "variant", "subset", "guide"],
        ["at", "run", "paper", "table", "difference"],
        notes=[
            "" if rows else "The run and the paper have no cell in common.",
            f"* {SMALL}" if any(row.cell.is_small for row in rows) else "",
        ],
    )
    for header in ("paper in\ninterval", "run in paper's\ninterval"):
        table.add_column(header)
    cells = [row.cell for row in rows]
    for row in rows:
        cell = row.cell
        table.add_row(
            cell.test if row.paper.measure == "score" else "revealed answers",
            cell.variant,
            cell.subset,
            cell.guide or ("all" if is_guided(cell.test, cells) else ""),
            "average" if cell.axis_value is None else f"{cell.axis_value:.0%}",
            shade(percent(row.ours, row.interval), small=cell.is_small),
            percent(row.paper.share, row.paper.interval),
            ", ".join(map(str, row.tables)),
            f"{100 * row.difference:+.1f}",
            _ANSWERS[row.paper_in_ours],
            _ANSWERS[row.ours_in_paper],
        )
    return table
