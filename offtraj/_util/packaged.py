"""Folders inside the wheel: card templates, and the models, questions and specs of the quickstart."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

__all__ = ["packaged"]

_CHECKOUT = {"cards": "cards", "quickstart": "specs/quickstart"}


def packaged(name: Literal["cards", "quickstart"]) -> Path:
    """The folder's path, in the installed package or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / f"_{name}"
    return inside if inside.is_dir() else package.parent / _CHECKOUT[name]
