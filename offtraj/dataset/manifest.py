"""`offtraj.json`: what a data set folder holds and how it came about. It names no time and no machine."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from offtraj.errors import DataError

__all__ = ["MANIFEST", "Count", "DroppedQuestion", "FileEntry", "Manifest", "ModelEntry", "read_manifest"]

MANIFEST = "offtraj.json"
FORMAT = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # what a later version adds is no error


class FileEntry(_Part):
    """One Parquet file."""

    path: str
    config: str
    rows: int
    bytes: int
    """Of the file."""
    num_bytes: int = 0
    """Of its rows in memory, as Arrow batches; 0 in what 0.1.0 wrote."""
    sha256: str


class ModelEntry(_Part):
    """A model or guide, as far as the data depends on it."""

    revision: str
    """Commit, digest of a folder, or digest of a recording."""
    lengths: str
    """What its lengths are counted in: `words`, or a tokenizer."""
    questions: int
    samples: int
    solve_rates: dict[str, int]
    """How many questions it solves how often, such as `{"7/8": 12}`."""
    verdicts: dict[str, int]
    """How many samples came out how, such as `{"incorrect: truncated": 3}`."""


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
    """A question that was not used."""

    benchmark: str
    id: str
    reason: str


class Manifest(_Part):
    """The whole of it."""

    format: int = FORMAT
    name: str
    version: str
    domain: str
    seed: int
    spec_sha256: str
    limit: int | None
    """At most so many questions of each benchmark, where the build was cut short."""
    made_with: dict[str, str]
    """Versions of the packages on which the bytes depend."""
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
        DataError: when there is none, or none that this version reads.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{folder}: no data set folder of offtraj: it has no {MANIFEST}") from None
    except (OSError, ValidationError) as error:
        raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    if manifest.format != FORMAT:
        raise DataError(f"{path}: format {manifest.format}, this version reads {FORMAT}: use a matching offtraj")
    return manifest
