"""Displays of progress: bars on a terminal and in a notebook with ipywidgets, plain lines elsewhere.

The protocol is `offtraj._util.progress`; what is done and how long it takes is left to the caller.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from offtraj._util.progress import OnProgress, Progress, no_progress

__all__ = ["displayed", "show_progress"]

_EVERY = 15.0  # seconds between plain lines


@contextmanager
def displayed(progress: bool | Progress) -> Iterator[Progress]:
    """The progress to report to, for a `progress` parameter.

    Args:
        progress: True for the display of `show_progress`, False for none, or a receiver of one's own.
    """
    if progress is True:
        with show_progress() as shown:
            yield shown
    else:
        yield no_progress if progress is False else progress


@contextmanager
def show_progress() -> Iterator[Progress]:
    """A display of progress: on standard error, or in the output cell of a notebook that has ipywidgets."""
    if sys.stderr.isatty() or _in_notebook():
        with _bars() as bars:
            yield bars
    else:
        yield _Lines()


def _in_notebook() -> bool:
    """Whether this is a Jupyter kernel in which rich can redraw: it needs ipywidgets."""
    if "ipykernel" not in sys.modules or find_spec("ipywidgets") is None:
        return False
    from rich.console import Console

    return Console().is_jupyter


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console, Group, RenderableType
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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )

    class Bars:
        """One bar for each task, and a line below them for what is being waited for."""

        def __init__(self) -> None:
            screen = Console(stderr=True, highlight=False)
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
    """A line when a task ends, and every 15 seconds until then."""

    def __init__(self) -> None:
        self._waiting = False
        self._waited = 0.0  # when waiting was last reported

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
                _print(f"{name}: {done} of {total}, {rate:.1f}/s{left}")

        return on_progress

    def wait(self, what: str, /) -> None:
        now = time.monotonic()
        if what and (not self._waiting or now - self._waited >= _EVERY):
            self._waited = now
            _print(what)
        self._waiting = bool(what)


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the display
