"""The terminal: tables that fit it, progress bars where it is one, plain lines where it is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from offtraj._util.progress import OnProgress, Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["console", "fitted", "say", "show", "show_progress"]

_EVERY = 15.0  # seconds between plain lines of progress
_ENDLESS = 10_000
_WIDE = 160  # columns of a table where the output is no terminal


def console(*, stderr: bool = False) -> Console:
    """A console on the standard output; wide enough for tables where that is a file or a pipe."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _WIDE, soft_wrap=False, highlight=False)


def show(*tables: Table | None) -> None:
    """Print tables whole: on a terminal that is too narrow in pieces, elsewhere as wide as they are."""
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
    """Print lines of text: broken between words on a terminal, elsewhere whole."""
    for line in lines:
        if sys.stdout.isatty():
            console().print(line, markup=False)
        else:
            print(line)


def fitted(table: Table, screen: Console) -> list[Table]:
    """A table, split where it is wider than the screen: names are repeated, and no figure is cut.

    Columns that are aligned to the left and come first are names, and the rest is figures.
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
    """Of its columns; title and caption wrap."""
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


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Shows progress on the standard error: call with a name and a number of steps, then with steps done."""
    if sys.stderr.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield _Lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Group, RenderableType
    from rich.live import Live
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.1f}/s", style="progress.data.speed")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )

    class Bars:
        """A bar for each progress; a line below them for what is waited for."""

        def __init__(self) -> None:
            screen = console(stderr=True)
            self._progress, self._waiting = Progress(*columns, console=screen), ""
            self.live = Live(get_renderable=self._shown, console=screen)

        def __call__(self, name: str, total: int, /) -> OnProgress:
            task = self._progress.add_task(name, total=total)
            return lambda steps: self._progress.advance(task, steps)

        def wait(self, what: str, /) -> None:
            self._waiting = what

        def _shown(self) -> RenderableType:
            waiting = Text(self._waiting, no_wrap=True, overflow="ellipsis")
            return Group(self._progress, waiting) if self._waiting else self._progress

    bars = Bars()
    with bars.live:
        yield bars


class _Lines:
    """A line every now and then."""

    def __init__(self) -> None:
        self._waiting = False
        self._waited = 0.0  # when that was last said

    def __call__(self, name: str, total: int, /) -> OnProgress:
        done, started = 0, time.monotonic()
        last = started

        def on_progress(steps: int) -> None:
            nonlocal done, last
            done += steps
            now = time.monotonic()
            if (done >= total and steps) or now - last >= _EVERY:
                last = now
                rate = done / (now - started) if now > started else 0.0
                left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
                print(f"{name}: {done} of {total}, {rate:.1f}/s{left}", file=sys.stderr, flush=True)

        return on_progress

    def wait(self, what: str, /) -> None:
        now = time.monotonic()
        if what and (not self._waiting or now - self._waited >= _EVERY):
            self._waited = now
            print(what, file=sys.stderr, flush=True)
        self._waiting = bool(what)
