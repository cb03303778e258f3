"""Reading Parquet files in batches. What the columns mean is left to the caller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offtraj.errors import DataError, first_line

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["open_parquet", "read_parquet"]


@contextmanager
def open_parquet(path: Path, expected: str) -> Iterator[pq.ParquetFile]:
    """An open Parquet file, closed at the end of the block.

    Errors that the block raises while it reads or converts values are raised as `DataError`.

    Args:
        path: The file.
        expected: What the file should hold, such as `a steered set`, for the message.

    Raises:
        DataError: for a file that is missing, is no Parquet file, or holds something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Reading ahead (`pre_buffer`) would keep all pages of the file in memory until the last is read.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except OSError as error:
        raise DataError(f"{path}: cannot be read as {expected}: {first_line(error)}") from error
    except (pa.ArrowException, KeyError, TypeError) as error:
        raise DataError(f"{path}: not {expected} that this version reads: {first_line(error)}") from error


def read_parquet(
    path: Path,
    expected: str,
    *,
    rows: int,
    columns: Sequence[str] | None = None,
    optional: Sequence[str] = (),
) -> Iterator[list[dict[str, Any]]]:
    """The rows of a Parquet file, as lists of at most `rows` mappings from column to value; one list is in memory.

    Args:
        path: The file.
        expected: What the file should hold, such as `a steered set`, for the message.
        rows: Rows in each list.
        columns: The columns to read; all by default.
        optional: Columns among these that may be missing, and are then missing in the rows.

    Raises:
        DataError: for a file that is missing, is no Parquet file, or lacks a column.
    """
    with open_parquet(path, expected) as file:
        present = set(file.schema_arrow.names)
        missing = [name for name in columns or () if name not in present and name not in optional]
        if missing:
            raise DataError(
                f"{path}: not {expected} that this version reads: column {missing[0]!r} is missing, present are "
                f"{', '.join(sorted(present))}"
            )
        wanted = None if columns is None else [name for name in columns if name in present]
        for batch in file.iter_batches(batch_size=rows, columns=wanted):
            yield batch.to_pylist()
