"""Where questions come from: a data set on the Hub at a pinned revision, or a local file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Tag

from offtraj.spec.base import Frozen, Name, Positive

__all__ = ["BenchmarkSpec", "FileSource", "HubSource", "QuestionColumns", "Source"]


class HubSource(Frozen):
    """A data set on the Hub."""

    hub: str
    """Repository, such as `HuggingFaceH4/MATH-500`."""
    revision: str
    """Commit or tag. A branch would move, and its questions with it."""
    config: str | None = None
    """The data set's configuration, where it has several."""
    split: str = "test"
    """The split to read."""


class FileSource(Frozen):
    """A local file."""

    file: str
    """JSON Lines (`.jsonl`, `.jsonl.gz`, `.jsonl.zst`) or Parquet; `${NAME}` is read from the
    environment, and a relative path starts at the spec's folder."""


def _source_kind(value: object) -> str | None:
    keys = value if isinstance(value, dict) else vars(value) if isinstance(value, Frozen) else {}
    return "HubSource" if "hub" in keys else "FileSource" if "file" in keys else None


Source = Annotated[
    Annotated[HubSource, Tag("HubSource")] | Annotated[FileSource, Tag("FileSource")],
    Discriminator(
        _source_kind,
        custom_error_type="source",
        custom_error_message="expected a source: {hub: ORG/NAME, revision: COMMIT, split: NAME} or {file: PATH}",
    ),
]


class QuestionColumns(Frozen):
    """The names of a benchmark's columns."""

    id: str | None = "id"
    """The question's id, unique in the benchmark. `null` numbers the rows from 0."""
    question: str = "question"
    """The question's text (paper: x), given to the model unchanged."""
    answer: str = "answer"
    """The gold answer (paper: y), as published: text, a number, or a list of texts, then joined with
    a comma and a space."""
    unit: str | None = None
    """The gold answer's unit, where the benchmark keeps it apart (OlympiadBench: `unit`)."""
    tolerance: str | None = None
    """The difference from the gold answer that a number may have, where the benchmark states one (OlympiadBench:
    `error` or `tolerance`)."""


class BenchmarkSpec(Frozen):
    """One benchmark: its source and its columns."""

    id: Name
    """The name in columns and reports."""
    source: Source
    """Where the questions are."""
    columns: QuestionColumns = QuestionColumns()
    """Names of the columns, where they are not the usual ones."""
    id_prefix: str = ""
    """Prefix of each question's id, for benchmarks whose ids would collide."""
    rows: Positive | None = None
    """Number of questions in the source. Checked when it is read; `plan` counts with it without reading."""
    limit: Positive | None = None
    """Number of questions to use, from the first."""
    license: str | None = None
    """Licence or copyright holder of its questions, for the card."""
