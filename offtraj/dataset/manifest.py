"""`offtraj.json`: the manifest of a data set folder. It contains no time and no machine, so that bytes are reproducible."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from offtraj.errors import DataError, first_line

__all__ = ["MANIFEST", "Count", "DroppedQuestion", "FileEntry", "Manifest", "ModelEntry", "read_manifest"]

MANIFEST = "offtraj.json"
FORMAT = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # fields of later versions are ignored


class FileEntry(_Part):
    """One Parquet file."""

    path: str
    config: str
    rows: int
    bytes: int
    """Size of the file."""
    num_bytes: int = 0
    """Size of its rows in memory, as Arrow batches; 0 in manifests of 0.1.0."""
    sha256: str


class ModelEntry(_Part):
    """A model or guide whose trajectories the data set was made from."""

    revision: str
    """Commit, digest of a folder, or digest of a recording."""
    lengths: str
    """Unit of its lengths: `words`, or a tokenizer."""
    questions: int
    samples: int
    solve_rates: dict[str, int]
    """Number of questions by solve rate, such as `{"7/8": 12}`."""
    verdicts: dict[str, int]
    """Number of samples by verdict and reason, such as `{"incorrect: truncated": 3}`."""


class Count(_Part):
    """What one selection kept and dropped."""

    test: str
    model: str
    variant: str | None
    subset: str | None
    of: str
    kept: int
    dropped: dict[str, int]


class DroppedQuestion(_Part):
    """A question that was not used, and why."""

    benchmark: str
    id: str
    reason: str


class Manifest(_Part):
    """The content of the manifest."""

    format: int = FORMAT
    name: str
    version: str
    domain: str
    seed: int
    spec_sha256: str
    limit: int | None
    """At most this many questions of each benchmark were used; `None` for a full build."""
    made_with: dict[str, str]
    """Versions of the packages that determine the bytes."""
    verifier: str
    benchmarks: dict[str, int]
    """Usable questions of each benchmark."""
    dropped_questions: tuple[DroppedQuestion, ...]
    models: dict[str, ModelEntry]
    counts: tuple[Count, ...]
    files: tuple[FileEntry, ...]

    def to_json(self) -> str:
        """The file's text."""
        return self.model_dump_json(indent=2) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a data set folder.

    Raises:
        DataError: when there is none, or it is of a format that this version does not read.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{folder}: no data set folder of offtraj: it has no {MANIFEST}") from None
    except (OSError, ValidationError) as error:
        raise DataError(f"{path}: cannot be read: {first_line(error)}") from error
    if manifest.format != FORMAT:
        raise DataError(f"{path}: format {manifest.format}, this version reads {FORMAT}: use a matching offtraj")
    return manifest
