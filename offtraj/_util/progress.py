"""How long work says how far it is, without knowing who listens.

What is shown is the command line's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Advance", "Stage", "quiet", "unseen"]

Advance = Callable[[int], None]
"""Told of steps that are done."""


class Stage(Protocol):
    """Told what is being done, and what is being waited for."""

    def __call__(self, name: str, total: int, /) -> Advance:
        """A stage begins: its name, and how many steps it has."""

    def wait(self, what: str, /) -> None:
        """What is waited for, now; told every second or so, with an empty text when the wait is over."""


def unseen(_steps: int) -> None:
    """Tell nobody."""


class _Quiet:
    def __call__(self, _name: str, _total: int, /) -> Advance:
        return unseen

    def wait(self, _what: str, /) -> None:
        """Tell nobody."""


quiet: Stage = _Quiet()
"""Tells nobody."""
