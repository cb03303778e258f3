"""Folders that travel in the wheel: templates of cards, and the quickstart's models, questions and specs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

__all__ = ["packaged"]

_CHECKOUT = {"cards": "cards", "quickstart": "specs/quickstart"}


def packaged(name: Literal["cards", "quickstart"]) -> Path:
    """Where such a folder lies: in the installed package, or in the checkout that this is."""
    package = Path(__file__).resolve().parents[1]
    inside = package / f"_{name}"
    return inside if inside.is_dir() else package.parent / _CHECKOUT[name]
