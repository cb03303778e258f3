"""How long work says how far it is, without knowing who listens.

What is shown is the command line's.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Advance", "Stage", "quiet", "unseen"]

Advance = Callable[[int], None]
"""Told of steps that are done."""

Stage = Callable[[str, int], Advance]
"""Told that a stage begins: its name, and how many steps it has."""


def unseen(_steps: int) -> None:
    """Tell nobody."""


def quiet(_name: str, _total: int) -> Advance:
    """A stage of which nobody is told."""
    return unseen
