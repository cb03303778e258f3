"""How much room completions had, as tables for the terminal: by position they show what late ones are left with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from offtraj.metrics.scores import Cell
from offtraj.metrics.usage import Room
from offtraj.report.scored_run import ScoredRun

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["room_tables"]


def room_tables(run: ScoredRun) -> list[Table]:
    """A table for each test: rows for each variant and subset, over all guides; none for what says nothing of tokens."""
    tests = dict.fromkeys(cell.test for cell in run.cells)
    found = (_table(run, test, [c for c in run.cells if c.test == test and c.guide is None]) for test in tests)
    return [table for table in found if table is not None]


def _table(run: ScoredRun, test: str, cells: Sequence[Cell]) -> Table | None:
    from rich import box
    from rich.table import Table

    measures = {name: say for name, say in _MEASURES.items() if any(say(cell.room) for cell in cells)}
    if not measures:
        return None
    axis = "position" if test == "recoverability" else "ratio"
    table = Table(
        title=f"{run.name}: {test}, room by {axis}",
        caption="cut off: completions that ended by length, of all; tokens: of completions, mean (median); "
        "prefix %: of the limit, mean (largest)",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
    )
    for header in ("variant", "subset", "room"):
        table.add_column(header)
    places = sorted({place for cell in cells if (place := cell.place) is not None})
    for header in (*(f"{place:.0%}" for place in places), "all"):
        table.add_column(header, justify="right")
    rows: dict[tuple[str, str], dict[float | None, Room]] = {}
    for cell in cells:
        rows.setdefault((cell.variant, cell.subset), {})[cell.place] = cell.room
    for (variant, subset), row in rows.items():
        for name, say in measures.items():
            said = (say(row[place]) if place in row else "" for place in (*places, None))
            table.add_row(variant, subset, name, *(text or "–" for text in said))
    return table


def _cut_off(room: Room) -> str:
    return "" if room.cut_off is None else f"{room.cut_off:,}/{room.completions:,}"


def _tokens(room: Room) -> str:
    if room.mean_tokens is None or room.median_tokens is None:
        return ""
    return f"{room.mean_tokens:,.0f} ({room.median_tokens:,.0f})"


def _prefix(room: Room) -> str:
    if room.mean_prefix_share is None or room.max_prefix_share is None:
        return ""
    return f"{100 * room.mean_prefix_share:.1f} ({100 * room.max_prefix_share:.1f})"


_MEASURES: dict[str, Callable[[Room], str]] = {"cut off": _cut_off, "tokens": _tokens, "prefix %": _prefix}
