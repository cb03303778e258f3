"""Repair of a workspace whose file SQLite finds broken: the rows that can be read are put into a new file.

A changed byte inside a text does not break the file: `upkeep` removes that row only.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from offtraj.store.file import checksum, new_file, transaction

__all__ = ["Salvaged", "salvage"]

_GAP = 100_000  # consecutive row numbers without a readable row, after which no more rows are expected


class Salvaged(NamedTuple):
    """The number of rows that were kept."""

    completions: int
    verdicts: int


def salvage(db: sqlite3.Connection, path: Path) -> Salvaged:
    """Replace a broken file by a new one with every row that can be read and whose checksum is right.

    The old file is replaced at the end, in one step.

    Args:
        db: The broken file, which no other process has open.
        path: Its path.

    Raises:
        sqlite3.Error: when its tables cannot be found, or the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        new = new_file(Path(folder) / path.name)
        try:
            with transaction(new):
                new.executemany(
                    "INSERT INTO origins (id, model, identity, sampling) VALUES (?, ?, ?, ?)",
                    _readable(db, "SELECT id, model, identity, sampling FROM origins"),
                )
                new.executemany(
                    "INSERT OR IGNORE INTO completions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _completions(db)
                )
                new.executemany("INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", _verdicts(db))
            kept = [new.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in Salvaged._fields]
            new.backup(db)
        finally:
            new.close()
    return Salvaged(*kept)


def _completions(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Row by row, so that a row that cannot be read does not end the reading."""
    last, missed = _last(db), 0
    for number in count(1):
        if number > last if last is not None else missed > _GAP:
            return
        missed += 1
        try:
            row = db.execute(
                "SELECT key, sample, origin, day, checksum, finish_reason, prompt_tokens, tokens, text"
                " FROM completions NOT INDEXED WHERE rowid=?",
                (number,),
            ).fetchone()
        except sqlite3.DatabaseError:
            continue
        if row is not None and row[4] == checksum(*map(_bytes, (*row[:2], *row[5:]))):
            missed = 0
            yield row


def _last(db: sqlite3.Connection) -> int | None:
    """The number of the last row; `None` when it cannot be read."""
    try:
        return int(db.execute("SELECT max(rowid) FROM completions").fetchone()[0] or 0)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname.startswith("SQLITE_CORRUPT"):
            return None
        raise


def _verdicts(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """The verdicts up to the first that cannot be read: verdicts are quickly computed again."""
    for row in _readable(db, "SELECT key, verifier, day, checksum, outcome, reason FROM verdicts"):
        if row[3] == checksum(*map(_bytes, (row[0], *row[4:]))):
            yield row


def _readable(db: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from db.execute(query)
    except sqlite3.DatabaseError:
        return


def _bytes(part: Any) -> Any:
    return part.encode() if isinstance(part, str) else part
