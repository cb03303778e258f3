"""The protocol by which long work reports progress. Displays are in `offtraj._util.progress_bars`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["OnProgress", "Progress", "no_progress", "no_steps"]

OnProgress = Callable[[int], None]
"""Receives the number of steps that were completed since the last call."""


class Progress(Protocol):
    """Receives what is being done, and what is being waited for."""

    def __call__(self, name: str, total: int, /) -> OnProgress:
        """Begins a task with a name and a number of steps; what is returned receives the steps."""

    def wait(self, what: str, /) -> None:
        """Receives what is being waited for, about once a second, and an empty text when the wait is over."""


def no_steps(_steps: int) -> None:
    """Do nothing."""


class _NoProgress:
    def __call__(self, _name: str, _total: int, /) -> OnProgress:
        return no_steps

    def wait(self, _what: str, /) -> None:
        """Do nothing."""


no_progress: Progress = _NoProgress()
"""Ignores all progress."""
