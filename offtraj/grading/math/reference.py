"""The reference of a mathematical question: its gold answer, with unit and tolerance where the benchmark gives them.

Comparing an answer with it is left to `rule`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from offtraj._util.records import Record
from offtraj.errors import DataError
from offtraj.spec import QuestionColumns

__all__ = ["MathColumns", "MathReference"]


class MathColumns(TypedDict):
    """The published columns of a reference, in tables of questions and of outcomes."""

    answer: str
    """The gold answer."""
    unit: str | None
    tolerance: float | None


@dataclass(frozen=True, slots=True)
class MathReference:
    """What a mathematical answer is compared with."""

    gold: str
    """The gold answer (paper: y), exactly as published."""
    unit: str | None = None
    """Unit of the gold answer, where the benchmark has it in a column of its own."""
    tolerance: float | None = None
    """Largest accepted absolute difference of numbers, where the benchmark gives one."""

    @property
    def standard_answer(self) -> str:
        """The gold answer with its unit, as a judge is shown it."""
        return self.gold if self.unit is None else f"{self.gold} {self.unit}"

    def columns(self) -> MathColumns:
        """The published columns; the inverse of `from_columns`."""
        return {"answer": self.gold, "unit": self.unit, "tolerance": self.tolerance}

    @classmethod
    def from_columns(cls, row: Mapping[str, object]) -> MathReference:
        """The reference in a row of a published table; other columns are ignored.

        Data sets and runs of version 0.1.0 have neither `unit` nor `tolerance`.

        Raises:
            DataError: for a value of another type.
        """
        gold, unit, tolerance = row.get("answer"), row.get("unit"), row.get("tolerance")
        if not (isinstance(gold, str) and isinstance(unit, str | None) and isinstance(tolerance, float | int | None)):
            raise DataError(
                f"answer {gold!r}, unit {unit!r}, tolerance {tolerance!r}: expected text, text or null, number or null"
            )
        return cls(gold, unit, tolerance)

    @classmethod
    def from_record(cls, record: Record, columns: QuestionColumns) -> MathReference | None:
        """The reference in a record of a benchmark; `None` where the gold answer is missing or blank.

        Args:
            record: A row of the benchmark's source.
            columns: Names of the columns.

        Raises:
            DataError: when a named column is missing or holds a value of another type.
        """
        gold = _gold(record, columns.answer)
        unit, tolerance = _unit(record, columns.unit), _tolerance(record, columns.tolerance)
        return None if gold is None or not gold.strip() else cls(gold, unit, tolerance)


def _gold(record: Record, column: str) -> str | None:
    value = record.fields.get(column, "")
    if value is None:
        return None
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else record.text(column)


def _unit(record: Record, column: str | None) -> str | None:
    if column is None or record.fields.get(column, "") is None:
        return None
    return record.text(column).strip() or None


def _tolerance(record: Record, column: str | None) -> float | None:
    """A number, or text that holds one, such as `1e-1`; `None` for an empty value."""
    if column is None or record.fields.get(column, ...) in (None, ""):
        return None
    value = record.fields[column] if column in record.fields else record.text(column)  # `text` names a missing column
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found < float("inf"):
        raise DataError(f"{record.place}: column {column!r} holds {value!r}: expected a number from 0, or nothing")
    return found
