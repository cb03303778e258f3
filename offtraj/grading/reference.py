"""References: what a response is graded against.

A closed union with one member for each domain. A new domain adds its own type here, and the type checker then
names every place that has to tell the two apart.
"""

from __future__ import annotations

from typing import TypeAlias

from offtraj.grading.math.reference import MathColumns, MathReference

__all__ = ["Reference", "ReferenceColumns"]

Reference: TypeAlias = MathReference
"""Each member has `columns()`, which returns its published columns."""

ReferenceColumns: TypeAlias = MathColumns
"""The published columns of a reference."""
