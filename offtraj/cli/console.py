"""The terminal: tables that fit it, progress bars where it is one, plain lines where it is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from offtraj.progress import Advance, Stage

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "stages"]

_EVERY = 15.0  # seconds between plain lines of progress
_WIDE = 160  # columns of a table where the output is no terminal


def console(*, stderr: bool = False) -> Console:
    """A console on the standard output; wide enough for tables where that is a file or a pipe."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _WIDE, soft_wrap=False, highlight=False)


@contextmanager
def stages() -> Iterator[Stage]:
    """Shows progress on the standard error: call with a name and a number of steps, then with steps done."""
    if sys.stderr.isatty():
        with _bars() as begin:
            yield begin
    else:
        yield _lines


@contextmanager
def _bars() -> Iterator[Stage]:
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
    with Progress(*columns, console=console(stderr=True)) as progress:

        def begin(name: str, total: int) -> Advance:
            task = progress.add_task(name, total=total)
            return lambda steps: progress.advance(task, steps)

        yield begin


def _lines(name: str, total: int) -> Advance:
    done, started = 0, time.monotonic()
    last = started

    def advance(steps: int) -> None:
        nonlocal done, last
        done += steps
        now = time.monotonic()
        if (done >= total and steps) or now - last >= _EVERY:
            last = now
            rate = done / (now - started) if now > started else 0.0
            left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
            print(f"{name}: {done} of {total}, {rate:.1f}/s{left}", file=sys.stderr, flush=True)

    return advance
