"""Tables for the terminal in one style: how they are made, and how values are greyed out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["make_table", "shade"]


def make_table(
    title: str | None, names: Sequence[str] = (), figures: Sequence[str] = (), *, notes: Sequence[str] = ()
) -> Table:
    """An empty table.

    Args:
        title: Shown above it.
        names: Headers of the columns that are aligned to the left, which come first.
        figures: Headers of the columns that are aligned to the right.
        notes: Footnotes, one line each; empty ones are left out.
    """
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        caption="\n".join(filter(None, notes)) or None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        pad_edge=False,
    )
    for header in names:
        table.add_column(header)
    for header in figures:
        table.add_column(header, justify="right")
    return table


def shade(text: str, *, small: bool, mark: str = "*") -> Text:
    """A value of a table, greyed out and followed by a mark where it is based on too few questions.

    Where the output is no terminal, only the mark is left.
    """
    from rich.text import Text

    return Text(f"{text}{mark}", style="dim") if small else Text(text)
