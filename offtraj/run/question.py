"""Questions: a benchmark's data points, read from a file or from the Hub, with their columns mapped.

Rows that cannot be used (no gold answer, an id that occurs twice) are returned with the reason. How a reference is
read, and whether it can be verified, is left to the domain and its grader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from offtraj._util.records import Record, read_records
from offtraj.errors import DataError, HubError, first_line
from offtraj.grading.domain import Domain
from offtraj.grading.domains import find_domain
from offtraj.grading.reference import Reference
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
    reference: Reference
    """What a response is graded against."""

    @property
    def gold(self) -> str:
        """The gold answer, exactly as published: the column `answer`."""
        return self.reference.gold


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that is not used, and why."""

    id: str
    benchmark: str
    reason: str


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of a spec in the order of their benchmarks, and the rows that are not used."""

    kept: tuple[Question, ...]
    dropped: tuple[Dropped, ...]

    def without(self, reasons: Mapping[str, str]) -> Questions:
        """These questions without those whose ids are given, which are dropped for the given reasons."""
        kept = tuple(q for q in self.kept if q.id not in reasons)
        dropped = tuple(Dropped(q.id, q.benchmark, reasons[q.id]) for q in self.kept if q.id in reasons)
        return Questions(kept, self.dropped + dropped)


def load_questions(file: SpecFile, *, limit: int | None = None, only: Iterable[str] | None = None) -> Questions:
    """The questions of a spec.

    Args:
        file: The spec and its path.
        limit: Largest number of questions of each benchmark.
        only: Ids of the benchmarks to read; all by default.

    Raises:
        DataError: for a missing file or column, a malformed record, an empty benchmark, a benchmark whose size is not
            the spec's `rows`, or an id that two benchmarks share.
        HubError: when the Hub cannot be reached.
    """
    wanted = None if only is None else set(only)
    domain = find_domain(file.spec.domain)
    kept: dict[str, Question] = {}
    dropped: list[Dropped] = []
    for index, benchmark in enumerate(file.spec.benchmarks):
        if wanted is not None and benchmark.id not in wanted:
            continue
        source = _records(file, index)
        questions, unusable = _read(domain, benchmark, source, file.place("benchmarks", index))
        for question in questions[: _smaller(benchmark.limit, limit)]:
            if question.id in kept:
                raise DataError(
                    f"{file.place('benchmarks', index)}: the question id {question.id!r} occurs in "
                    f"{kept[question.id].benchmark!r} and in {benchmark.id!r}: set `id_prefix: {benchmark.id}/`"
                )
            kept[question.id] = question
        dropped += unusable
    return Questions(tuple(kept.values()), tuple(dropped))


def _read(
    domain: Domain, benchmark: BenchmarkSpec, records: Iterator[Record], place: str
) -> tuple[Sequence[Question], Sequence[Dropped]]:
    questions: dict[str, Question] = {}
    dropped: list[Dropped] = []
    first_at: dict[str, str] = {}
    rows = 0
    for record in records:
        rows += 1
        question_id = benchmark.id_prefix + _id(benchmark, record, rows)
        text = record.text(benchmark.columns.question)
        reference = domain.read_reference(record, benchmark.columns)
        question = None if reference is None else Question(question_id, benchmark.id, text, reference)
        if question_id in first_at:
            same = question is not None and questions.get(question_id) == question
            reason = "duplicate_id" if same else "conflicting_id"
            dropped.append(Dropped(question_id, benchmark.id, f"{reason}: {first_at[question_id]}, {record.place}"))
            if not same:  # two different questions with one id: neither is used
                questions.pop(question_id, None)
            continue
        first_at[question_id] = record.place
        if not text.strip():
            dropped.append(Dropped(question_id, benchmark.id, f"no_question: {record.place}"))
        elif question is None:
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
