"""How long work says how far it is, without knowing who listens.

What is shown is the command line's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["OnProgress", "Progress", "no_progress", "no_steps"]

OnProgress = Callable[[int], None]
"""Told of steps that are done."""


class Progress(Protocol):
    """Told what is being done, and what is being waited for."""

    def __call__(self, name: str, total: int, /) -> OnProgress:
        """A progress begins: its name, and how many steps it has."""

    def wait(self, what: str, /) -> None:
        """What is waited for, now; told every second or so, with an empty text when the wait is over."""


def no_steps(_steps: int) -> None:
    """Tell nobody."""


class _NoProgress:
    def __call__(self, _name: str, _total: int, /) -> OnProgress:
        return no_steps

    def wait(self, _what: str, /) -> None:
        """Tell nobody."""


no_progress: Progress = _NoProgress()
"""Tells nobody."""
