"""The terminal: tables that fit its width, and text. Progress is left to `offtraj._util.progress_bars`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["console", "fitted", "say", "show"]

_ENDLESS = 10_000  # columns
_WIDE = 160  # columns of text where the output is no terminal


def console() -> Console:
    """A console on standard output, 160 columns wide where that is a file or a pipe; names with brackets stay as they are."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDE, soft_wrap=False, highlight=False, markup=False)


def show(*tables: Table | None) -> None:
    """Print tables in full: split on a terminal that is too narrow, at their own width elsewhere."""
    screen = console()
    for table in tables:
        if table is None:
            continue
        if sys.stdout.isatty():
            for piece in fitted(table, screen):
                screen.print(piece)
        else:
            screen.width = _ENDLESS  # a table is measured to be no wider than that
            screen.width = max(_WIDE, screen.measure(table).maximum)
            screen.print(table)


def say(*lines: str) -> None:
    """Print lines of text: wrapped between words on a terminal, unwrapped elsewhere."""
    for line in lines:
        if sys.stdout.isatty():
            console().print(line, markup=False)
        else:
            print(line)


def fitted(table: Table, screen: Console) -> list[Table]:
    """Parts of a table, each of which fits the screen; the table itself when it fits.

    Leading left-aligned columns hold names and are repeated in each part; the others hold numbers, which are never
    truncated.
    """
    if _width(table, screen) <= screen.width:
        return [table]
    figures = next((at for at, column in enumerate(table.columns) if column.justify != "left"), len(table.columns))
    pieces = [[at] for at in range(figures, len(table.columns))]
    merged: list[list[int]] = []
    for piece in pieces:
        wider = [*merged[-1], *piece] if merged else piece
        fits = _width(_part(table, figures, wider), screen) <= screen.width
        merged = [*merged[:-1], wider] if fits and merged else [*merged, piece]
    parts = [_part(table, figures, piece) for piece in merged or [[]]]
    for part in parts[1:]:
        part.title = None
    for part in parts[:-1]:
        part.caption = None
    return parts


def _width(table: Table, screen: Console) -> int:
    """Width of its columns, in characters; title and caption wrap and do not count."""
    return screen.measure(
        _part(table, len(table.columns), [], bare=True), options=screen.options.update(width=10_000)
    ).maximum


def _part(table: Table, names: int, figures: list[int], *, bare: bool = False) -> Table:
    from rich.table import Table

    part = Table(
        title=None if bare else table.title,
        caption=None if bare else table.caption,
        box=table.box,
        title_justify="left",
        caption_justify="left",
        pad_edge=table.pad_edge,
        show_header=table.show_header,
        show_footer=table.show_footer,
    )
    kept = [table.columns[at] for at in [*range(names), *figures]]
    for at, column in enumerate(kept):
        figure = at >= names
        part.add_column(column.header, column.footer, justify=column.justify, no_wrap=figure, overflow="fold")
    for row in zip(*(column.cells for column in kept), strict=True):
        part.add_row(*row)
    return part
