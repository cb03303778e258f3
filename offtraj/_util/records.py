"""Records of local files, one mapping a line or row, each with its place for messages.

JSON Lines (plain, `.gz`, `.zst`) and Parquet, read in a stream: memory does not grow with the file.
What a record *means* (columns, types) is left to `question` and `sampling.recorded`.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from offtraj._util.parquet import read_parquet
from offtraj.errors import DataError

__all__ = ["Record", "read_records"]

_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
_SHOWN = 80  # characters of a bad value that a message shows


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a file, and where it stands."""

    fields: Mapping[str, object]
    path: Path
    line: int
    """Line (JSON Lines) or row (Parquet), counted from 1."""

    @property
    def place(self) -> str:
        """`file:line`, as messages name it."""
        return f"{self.path}:{self.line}"

    def text(self, column: str) -> str:
        """The column's text, exactly as stored.

        Raises:
            DataError: when the column is missing, null, no text, or not valid Unicode.
        """
        value = self._value(column)
        if not isinstance(value, str):
            raise DataError(f"{self.place}: column {column!r} holds {_shorten(value)}: expected text")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise DataError(
                f"{self.place}: column {column!r} holds an unpaired surrogate at character {error.start}, "
                "which is no valid Unicode: repair or remove the record"
            ) from None
        return value

    def integer(self, column: str) -> int:
        """The column's whole number.

        Raises:
            DataError: when the column is missing, null or no whole number.
        """
        value = self._value(column)
        if isinstance(value, bool) or not isinstance(value, int):
            raise DataError(f"{self.place}: column {column!r} holds {_shorten(value)}: expected a whole number")
        return value

    def _value(self, column: str) -> object:
        if column not in self.fields:
            present = ", ".join(sorted(self.fields))
            raise DataError(f"{self.place}: there is no column {column!r}: map `columns` to one of {present}")
        return self.fields[column]


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a file in their order.

    Raises:
        DataError: for a missing file, an unknown suffix, or a malformed line (named by number).
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.name.endswith(".parquet"):
        yield from _read_parquet(path)
    elif path.name.endswith(_SUFFIXES):
        yield from _read_json_lines(path)
    else:
        raise DataError(f"{path}: unknown kind of file: expected a name that ends in {', '.join(_SUFFIXES)}")


def _read_json_lines(path: Path) -> Iterator[Record]:
    number = 0
    try:
        with _open_binary(path) as lines:
            for number, line in enumerate(lines, 1):
                if text := line.strip():
                    yield Record(_parse(text, path, number), path, number)
    except (OSError, EOFError, zlib.error) as error:  # a truncated or damaged archive
        raise DataError(f"{path}:{number + 1}: cannot be read: {error}") from error


def _parse(line: bytes, path: Path, number: int) -> dict[str, object]:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: not UTF-8: {error.reason} at byte {error.start} of the line") from None
    except ValueError as error:
        where = f"{path}:{number}" + (f":{error.colno}" if isinstance(error, json.JSONDecodeError) else "")
        detail = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise DataError(f"{where}: malformed JSON: {detail}, in {_shorten(line.decode('utf-8'))}") from None
    except RecursionError:
        raise DataError(f"{path}:{number}: JSON nested too deeply") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}:{number}: expected a JSON object, got {_shorten(value)}")
    return value


@contextmanager
def _open_binary(path: Path) -> Iterator[IO[bytes]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rb") as unpacked:
            yield io.BufferedReader(unpacked)
    elif path.suffix == ".zst":
        import pyarrow as pa  # whose reader, unlike others, says when a stream is cut short

        with pa.input_stream(path, compression="zstd") as unpacked_zst:
            yield io.BufferedReader(unpacked_zst)  # type: ignore[type-var]
    else:
        with path.open("rb") as plain:
            yield plain


def _read_parquet(path: Path) -> Iterator[Record]:
    rows = (fields for batch in read_parquet(path, "a Parquet file", rows=256) for fields in batch)
    for number, fields in enumerate(rows, 1):
        yield Record(fields, path, number)


def _shorten(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
