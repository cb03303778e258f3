"""Questions: a benchmark's data points, read from a file or from the Hub, with their columns mapped.

What cannot be used (no gold answer, an id that stands there twice) is returned beside what can, with the
reason. Whether a gold answer can be verified is left to `verify`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from offtraj._util.records import Record, read_records
from offtraj.errors import DataError, HubError, first_line
from offtraj.spec import BenchmarkSpec, FileSource, HubSource, SpecFile

__all__ = ["Dropped", "Question", "Questions", "load_questions"]


@dataclass(frozen=True, slots=True)
class Question:
    """A data point (paper: x, y)."""

    id: str
    """Unique over all benchmarks of a spec."""
    benchmark: str
    """The benchmark's id."""
    text: str
    """The question, exactly as published."""
    gold: str
    """The gold answer, exactly as published."""
    unit: str | None = None
    """Of the gold answer, where the benchmark keeps it apart."""
    tolerance: float | None = None
    """By how much a number may differ from the gold answer, where the benchmark says so."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that was left out, and why."""

    id: str
    benchmark: str
    reason: str


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of a spec in the order of their benchmarks, and what was left out."""

    kept: tuple[Question, ...]
    dropped: tuple[Dropped, ...]

    def without(self, reasons: Mapping[str, str]) -> Questions:
        """Leave out more, by id, each with its reason."""
        kept = tuple(q for q in self.kept if q.id not in reasons)
        dropped = tuple(Dropped(q.id, q.benchmark, reasons[q.id]) for q in self.kept if q.id in reasons)
        return Questions(kept, self.dropped + dropped)


def load_questions(file: SpecFile, *, limit: int | None = None, only: Iterable[str] | None = None) -> Questions:
    """Read the questions of a spec.

    Args:
        file: The spec and where it stands.
        limit: At most so many of each benchmark.
        only: Ids of the benchmarks to read; every one by default.

    Raises:
        DataError: for a missing file or column, a malformed record, an empty benchmark, a benchmark of
            another size than the spec says, or an id that two benchmarks share.
        HubError: when the Hub cannot be asked.
    """
    wanted = None if only is None else set(only)
    kept: dict[str, Question] = {}
    dropped: list[Dropped] = []
    for index, benchmark in enumerate(file.spec.benchmarks):
        if wanted is not None and benchmark.id not in wanted:
            continue
        source = _records(file, index)
        questions, unusable = _read(benchmark, source, file.place("benchmarks", index))
        for question in questions[: _smaller(benchmark.limit, limit)]:
            if question.id in kept:
                raise DataError(
                    f"{file.place('benchmarks', index)}: the question id {question.id!r} stands in "
                    f"{kept[question.id].benchmark!r} and in {benchmark.id!r}: set `id_prefix: {benchmark.id}/`"
                )
            kept[question.id] = question
        dropped += unusable
    return Questions(tuple(kept.values()), tuple(dropped))


def _read(
    benchmark: BenchmarkSpec, records: Iterator[Record], place: str
) -> tuple[Sequence[Question], Sequence[Dropped]]:
    questions: dict[str, Question] = {}
    dropped: list[Dropped] = []
    first_at: dict[str, str] = {}
    rows = 0
    for record in records:
        rows += 1
        question_id = benchmark.id_prefix + _id(benchmark, record, rows)
        text, gold = record.text(benchmark.columns.question), _gold(benchmark, record)
        question = Question(
            question_id, benchmark.id, text, gold or "", _unit(benchmark, record), _tolerance(benchmark, record)
        )
        if question_id in first_at:
            same = questions.get(question_id) == question
            reason = "duplicate_id" if same else "conflicting_id"
            dropped.append(Dropped(question_id, benchmark.id, f"{reason}: {first_at[question_id]}, {record.place}"))
            if not same:  # two questions under one id: neither can be told from the other
                questions.pop(question_id, None)
            continue
        first_at[question_id] = record.place
        if not text.strip():
            dropped.append(Dropped(question_id, benchmark.id, f"no_question: {record.place}"))
        elif gold is None or not gold.strip():
            dropped.append(Dropped(question_id, benchmark.id, f"no_gold_answer: {record.place}"))
        else:
            questions[question_id] = question
    if not questions:
        raise DataError(f"{place}: the benchmark {benchmark.id!r} is empty: {rows} rows, none of them usable")
    if benchmark.rows is not None and rows != benchmark.rows:
        raise DataError(
            f"{place}: the benchmark {benchmark.id!r} has {rows} rows, the spec says {benchmark.rows}: "
            "another revision or split?"
        )
    return tuple(questions.values()), dropped


def _id(benchmark: BenchmarkSpec, record: Record, row: int) -> str:
    column = benchmark.columns.id
    if column is None:
        return str(row - 1)
    value = record.fields.get(column)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else record.text(column)


def _gold(benchmark: BenchmarkSpec, record: Record) -> str | None:
    column = benchmark.columns.answer
    value = record.fields.get(column, "")
    if value is None:
        return None
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else record.text(column)


def _unit(benchmark: BenchmarkSpec, record: Record) -> str | None:
    column = benchmark.columns.unit
    if column is None or record.fields.get(column, "") is None:
        return None
    return record.text(column).strip() or None


def _tolerance(benchmark: BenchmarkSpec, record: Record) -> float | None:
    """A number, or a text that holds one, such as `1e-1`; `None` where there is none."""
    column = benchmark.columns.tolerance
    if column is None or record.fields.get(column, ...) in (None, ""):
        return None
    value = record.fields[column] if column in record.fields else record.text(column)  # says what is missing
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found < float("inf"):
        raise DataError(f"{record.place}: column {column!r} holds {value!r}: expected a number from 0, or nothing")
    return found


def _records(file: SpecFile, index: int) -> Iterator[Record]:
    source = file.spec.benchmarks[index].source
    if isinstance(source, FileSource):
        return read_records(file.file(source.file, "benchmarks", index, "source", "file"))
    return _read_hub(source)


def _read_hub(source: HubSource) -> Iterator[Record]:
    import datasets

    where = Path(f"{source.hub}@{source.revision}/{source.split}")
    try:
        rows = datasets.load_dataset(source.hub, source.config, split=source.split, revision=source.revision)
    except Exception as error:  # the client raises what its transport raises
        raise HubError(
            f"{where}: cannot be loaded from the Hub: {type(error).__name__}: {first_line(error, empty='(no message)')}"
        ) from error
    for number, fields in enumerate(rows, 1):
        yield Record(fields, where, number)


def _smaller(one: int | None, other: int | None) -> int | None:
    given = [value for value in (one, other) if value is not None]
    return min(given) if given else None
