"""Token usage as tables for the terminal; by position it shows how many tokens are left for late continuations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.scores import Cell
from offtraj.metrics.usage import TokenUsage
from offtraj.report.labels import axis_of, axis_values, ordered_tests
from offtraj.report.table import make_table

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["usage_tables"]

_NOTE = (
    "cut off: completions that ended by length, of all; tokens: of completions, mean (median); "
    "prefix %: of the limit, mean (largest)"
)


def usage_tables(run: ScoredRun) -> list[Table]:
    """A table for each test with known token usage: rows for each variant and subset, over all guides."""
    found = (_table(run, test) for test in ordered_tests(run.cells))
    return [table for table in found if table is not None]


def _table(run: ScoredRun, test: str) -> Table | None:
    cells: Sequence[Cell] = [cell for cell in run.cells if cell.test == test and cell.guide is None]
    measures = {name: text for name, text in _MEASURES.items() if any(text(cell.usage) for cell in cells)}
    if not measures:
        return None
    values = axis_values(cells)
    table = make_table(
        f"{run.name}: {test}, token usage by {axis_of(test, cells).name}",
        ["variant", "subset", "token usage"],
        [*(f"{value:.0%}" for value in values), "all"],
        notes=[_NOTE],
    )
    rows: dict[tuple[str, str], dict[float | None, TokenUsage]] = {}
    for cell in cells:
        rows.setdefault((cell.variant, cell.subset), {})[cell.axis_value] = cell.usage
    for (variant, subset), row in rows.items():
        for name, text in measures.items():
            shown = (text(row[value]) if value in row else "" for value in (*values, None))
            table.add_row(variant, subset, name, *(one or "–" for one in shown))
    return table


def _cut_off(usage: TokenUsage) -> str:
    return "" if usage.cut_off is None else f"{usage.cut_off:,}/{usage.completions:,}"


def _tokens(usage: TokenUsage) -> str:
    if usage.mean_tokens is None or usage.median_tokens is None:
        return ""
    return f"{usage.mean_tokens:,.0f} ({usage.median_tokens:,.0f})"


def _prefix(usage: TokenUsage) -> str:
    if usage.mean_prefix_share is None or usage.max_prefix_share is None:
        return ""
    return f"{100 * usage.mean_prefix_share:.1f} ({100 * usage.max_prefix_share:.1f})"


_MEASURES: dict[str, Callable[[TokenUsage], str]] = {"cut off": _cut_off, "tokens": _tokens, "prefix %": _prefix}
