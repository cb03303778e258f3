"""How many tokens completions had, as tables for the terminal: by position they show what late ones are left with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.scores import Cell
from offtraj.metrics.usage import TokenUsage

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["usage_tables"]


def usage_tables(run: ScoredRun) -> list[Table]:
    """A table for each test: rows for each variant and subset, over all guides; none for what says nothing of tokens."""
    tests = dict.fromkeys(cell.test for cell in run.cells)
    found = (_table(run, test, [c for c in run.cells if c.test == test and c.guide is None]) for test in tests)
    return [table for table in found if table is not None]


def _table(run: ScoredRun, test: str, cells: Sequence[Cell]) -> Table | None:
    from rich import box
    from rich.table import Table

    measures = {name: say for name, say in _MEASURES.items() if any(say(cell.usage) for cell in cells)}
    if not measures:
        return None
    axis = "position" if test == "recoverability" else "ratio"
    table = Table(
        title=f"{run.name}: {test}, usage by {axis}",
        caption="cut off: completions that ended by length, of all; tokens: of completions, mean (median); "
        "prefix %: of the limit, mean (largest)",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
    )
    for header in ("variant", "subset", "usage"):
        table.add_column(header)
    axis_values = sorted({axis_value for cell in cells if (axis_value := cell.axis_value) is not None})
    for header in (*(f"{axis_value:.0%}" for axis_value in axis_values), "all"):
        table.add_column(header, justify="right")
    rows: dict[tuple[str, str], dict[float | None, TokenUsage]] = {}
    for cell in cells:
        rows.setdefault((cell.variant, cell.subset), {})[cell.axis_value] = cell.usage
    for (variant, subset), row in rows.items():
        for name, say in measures.items():
            said = (say(row[axis_value]) if axis_value in row else "" for axis_value in (*axis_values, None))
            table.add_row(variant, subset, name, *(text or "–" for text in said))
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
