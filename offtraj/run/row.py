"""Steered rows: the trajectories that a model continues, and the columns in which they are published.

Which questions qualify and how steers are made is left to `offtraj_builders`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from offtraj._util.parquet import open_parquet
from offtraj.spec import Subset, TestName

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Role", "Segment", "SteeredRow", "closes_thinking", "read_rows", "row_schema", "rows_to_batch"]

Role = Literal["own", "transition", "steer"]
_BATCH = 256  # rows that are read at once


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a steered trajectory, and the part of a solo trajectory that it is."""

    role: Role
    text: str
    model: str | None = None
    """Id of the model that wrote it; none for a transition."""
    question_id: str | None = None
    """Id of the question that it is about."""
    sample: int | None = None
    """Number of the solo sample that it is cut from."""
    start: int | None = None
    """Offset of its first character in that sample's thinking."""
    end: int | None = None
    """Offset behind its last character."""
    tokens: int = 0
    """Length in tokens of the model that wrote it."""


@dataclass(frozen=True, slots=True)
class SteeredRow:
    """One row of a published set. Its fields are the published columns."""

    id: str
    test: TestName
    variant: str
    subsets: tuple[Subset, ...]
    benchmark: str
    question_id: str
    question: str
    answer: str
    model: str
    model_revision: str | None
    position: float | None
    ratio: float
    segments: tuple[Segment, ...]
    prefix: str
    prefix_tokens: int
    prompt_sha256: str | None
    solved: int
    sampled: int
    reveals_answer: bool

    @property
    def axis_value(self) -> float:
        """The row's value on its test's axis: the position, or the ratio where it has no position."""
        return self.ratio if self.position is None else self.position

    @property
    def closes_thinking(self) -> bool:
        """Whether the prefix ends the thinking: the closing delimiter follows the steer."""
        return closes_thinking(self.segments)

    @property
    def guide(self) -> str | None:
        """The model that steers on the row's own question; none for a distractor, which is about another question."""
        steers = (segment for segment in self.segments if segment.role == "steer")
        return next((steer.model for steer in steers if steer.question_id == self.question_id), None)


def closes_thinking(segments: Sequence[Segment]) -> bool:
    """Whether segments end the thinking: a transition behind the last steer is the closing delimiter."""
    return bool(segments) and segments[-1].role == "transition"


def row_schema() -> pa.Schema:
    """Arrow schema of the columns, with the metadata from which `datasets` reads its features."""
    from datasets import Features, List, Value

    segment = {
        "role": Value("string"),
        "text": Value("string"),
        "model": Value("string"),
        "question_id": Value("string"),
        "sample": Value("int32"),
        "start": Value("int32"),
        "end": Value("int32"),
        "tokens": Value("int32"),
    }
    schema: pa.Schema = Features(
        {
            "id": Value("string"),
            "test": Value("string"),
            "variant": Value("string"),
            "subsets": List(Value("string")),
            "benchmark": Value("string"),
            "question_id": Value("string"),
            "question": Value("string"),
            "answer": Value("string"),
            "model": Value("string"),
            "model_revision": Value("string"),
            "position": Value("float32"),
            "ratio": Value("float32"),
            "segments": List(segment),
            "prefix": Value("string"),
            "prefix_tokens": Value("int32"),
            "prompt_sha256": Value("string"),
            "solved": Value("int32"),
            "sampled": Value("int32"),
            "reveals_answer": Value("bool"),
        }
    ).arrow_schema
    return schema


def rows_to_batch(rows: Sequence[SteeredRow], schema: pa.Schema) -> pa.RecordBatch:
    """The rows as one Arrow batch, made column by column, which is several times as fast as row by row."""
    import pyarrow as pa

    def column(name: str) -> Any:
        kind = schema.field(name).type
        if name != "segments":
            return pa.array(list(map(attrgetter(name), rows)), kind)
        flat = [segment for row in rows for segment in row.segments]
        members = [pa.array(list(map(attrgetter(field.name), flat)), field.type) for field in kind.value_type]
        offsets = [0]
        for row in rows:
            offsets.append(offsets[-1] + len(row.segments))
        struct = pa.StructArray.from_arrays(members, fields=list(kind.value_type))
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), struct, type=kind)

    return pa.RecordBatch.from_arrays([column(name) for name in schema.names], schema=schema)


def read_rows(paths: Sequence[Path]) -> Iterator[SteeredRow]:
    """The rows of a set's Parquet files, in order, with a few hundred in memory at once.

    Raises:
        DataError: for a file that is not a steered set.
    """
    for path in paths:
        with open_parquet(path, "a steered set") as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                yield from map(_row, batch.to_pylist())


def _row(fields: dict[str, object]) -> SteeredRow:
    segments = tuple(Segment(**segment) for segment in fields.pop("segments"))  # type: ignore[attr-defined]
    position, ratio = fields.pop("position"), fields.pop("ratio")
    return SteeredRow(
        subsets=tuple(fields.pop("subsets")),  # type: ignore[arg-type]
        segments=segments,
        # The columns are float32: 0.2 is stored as 0.20000000298.
        position=None if position is None else round(float(position), 6),  # type: ignore[arg-type]
        ratio=round(float(ratio), 6),  # type: ignore[arg-type]
        **fields,  # type: ignore[arg-type]
    )
