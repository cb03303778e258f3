"""The workspace's file: creating, opening and upgrading it, and errors that name the file and the remedy.

Nothing here removes rows. The content of the tables is left to `store`.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from offtraj.errors import StoreError
from offtraj.store.wal import lost_in_log

__all__ = ["checksum", "file_problems", "new_file", "open_file", "open_memory", "store_errors", "transaction"]

_VERSION = 2
# The text is the last column, so that the others are read without it.
_SCHEMA = """
CREATE TABLE origins (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, identity TEXT NOT NULL, sampling TEXT NOT NULL,
    UNIQUE (model, identity, sampling));
CREATE TABLE completions (
    key TEXT NOT NULL, sample INTEGER NOT NULL, origin INTEGER, day TEXT NOT NULL, checksum INTEGER NOT NULL,
    finish_reason TEXT, prompt_tokens INTEGER, tokens INTEGER, text TEXT NOT NULL, UNIQUE (key, sample));
CREATE TABLE verdicts (
    key TEXT PRIMARY KEY, verifier TEXT, day TEXT NOT NULL, checksum INTEGER NOT NULL, outcome TEXT NOT NULL,
    reason TEXT NOT NULL) WITHOUT ROWID;
"""
_LEAST = 512  # bytes of the smallest database
_AT_ONCE = 100  # rows that are moved to a new table together
_WAIT = 60.0  # seconds to wait for the writes of other processes


def open_file(path: Path, *, despite_damage: bool = False) -> sqlite3.Connection:
    """A connection to a workspace's file, which is made if it is missing and upgraded if its version is older.

    Args:
        path: The file.
        despite_damage: Open a file with a damaged log, the rest of which is then lost, and a truncated file.

    Raises:
        StoreError: when it is damaged, empty, of a newer version or not a workspace, or cannot be written.
    """
    log = path.with_name(f"{path.name}-wal")
    with store_errors(path):
        log_there = log.exists()
        if not path.exists():
            if log_there:
                raise StoreError(
                    f"{path}: is missing, and {log.name}, which belongs to it, is not: restore it, or "
                    f"move {log.name} away to start with an empty workspace"
                )
            _make(path)
        # `stat` instead of opening it: closing a file descriptor releases SQLite's locks on the file.
        if path.is_dir():
            raise StoreError(f"{path}: is a folder, not a workspace's file: use another --workspace")
        if (size := path.stat().st_size) < _LEAST:  # SQLite takes an empty file for a new one
            raise StoreError(
                f"{path}: only {size} bytes of the workspace are left: restore it from a copy, or remove it to "
                "start with an empty one"
            )
        if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
            raise StoreError(
                f"{path}: cannot be written, or its folder cannot: change their permissions, or use another --workspace"
            )
        lost = None if despite_damage else lost_in_log(log)
        if lost is not None:
            raise StoreError(
                f"{log}: is damaged at byte {lost.at}: {lost.transactions} transactions behind it cannot be read: restore "
                f"it from a copy, or continue without them: {_remedy(path)}"
            )
        return _opened(path, despite_damage=despite_damage)


def new_file(path: Path) -> sqlite3.Connection:
    """A connection to a new, empty workspace; there must be no file at the path."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        with transaction(db):
            _make_tables(db)
            db.execute(f"PRAGMA user_version={_VERSION}")
        db.execute("PRAGMA journal_mode=WAL")  # after the tables, since a full disk is reported only then
    except BaseException:
        db.close()
        raise
    return db


def open_memory() -> sqlite3.Connection:
    """An empty workspace in memory, which is gone when it is closed."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.create_function("checksum", -1, checksum, deterministic=True)
    _make_tables(db)
    return db


def file_problems(db: sqlite3.Connection, most: int) -> list[str]:
    """The problems that SQLite finds in a file or in the declarations of its tables, at most `most`."""
    try:
        found = [line for (line,) in db.execute(f"PRAGMA integrity_check({most})") if line != "ok"]
        declared = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
            _make_tables(new)
            if db.execute(declared).fetchall() != new.execute(declared).fetchall():
                found.append("the declarations of its tables were changed")
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return found


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the system into errors that name the file and the remedy.

    Raises:
        StoreError: in place of each.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorname", "")
        damaged = f"the file is damaged: restore it from a copy, or keep what can be read of it: {_remedy(path)}"
        remedies = {
            "SQLITE_FULL": "free disk space and run the same command again: it continues",
            "SQLITE_IOERR": "if the disk is full or a quota is exceeded, free disk space; then run the same command again: it continues",
            "SQLITE_BUSY": "another process uses it: wait until it has ended, or use another --workspace",
            "SQLITE_CORRUPT": damaged,
            "SQLITE_ERROR": damaged,  # our statements are valid, so a table was changed
            "SQLITE_NOTADB": "the file is not a workspace: use another --workspace",
        }
        remedy = next((remedies[name] for name in remedies if code.startswith(name)), "use another --workspace")
        raise StoreError(f"{path}: the workspace cannot be used: {error}: {remedy}") from error


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction: the block's statements take effect together, or none does."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite itself rolls back after some errors
            db.execute("ROLLBACK")
        raise


def checksum(*parts: bytes | float | None) -> int:
    """CRC-32 of a row's content, including the boundaries of its parts."""
    total = 0
    for part in parts:
        data = part if isinstance(part, bytes) else repr(part).encode()
        total = zlib.crc32(data, zlib.crc32(f"{type(part).__name__} {len(data)} ".encode(), total))
    return total


def _remedy(path: Path) -> str:
    return f"`offtraj store prune --damaged --workspace {path.parent}`"


def _make(path: Path) -> None:
    """Make an empty workspace in a temporary folder and move it into place; other processes may do the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        made = Path(folder) / path.name
        new_file(made).close()
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links: two processes may collide here
            if not path.exists():
                os.rename(made, path)


def _make_tables(db: sqlite3.Connection) -> None:
    for table in _SCHEMA.split(";")[:-1]:  # `executescript` would end the transaction
        db.execute(table)


def _opened(path: Path, *, despite_damage: bool) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
    try:
        db.create_function("checksum", -1, checksum, deterministic=True)
        if despite_damage:
            db.execute("PRAGMA writable_schema=ON")  # accepts a file that is shorter than its header says
        if _version(db) != _VERSION:
            _bring_up_to_date(db, path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _bring_up_to_date(db: sqlite3.Connection, path: Path) -> None:
    with transaction(db):
        version = _version(db)  # another process may have upgraded it meanwhile
        if version == _VERSION:
            return
        if version not in (0, 1):
            raise StoreError(
                f"{path}: the workspace is of version {version}, this program's is {_VERSION}: update offtraj, or use "
                "another --workspace"
            )
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if tables - {"completions", "verdicts"}:
            raise StoreError(f"{path}: is the database of another program: use another --workspace")
        for name in tables:
            db.execute(f"ALTER TABLE {name} RENAME TO {name}_1")
        _make_tables(db)
        if "completions" in tables:
            _move_completions(db)
        if "verdicts" in tables:
            db.execute(
                "INSERT INTO verdicts (key, day, checksum, outcome, reason) SELECT key, date(), checksum("
                "CAST(key AS BLOB), CAST(outcome AS BLOB), CAST(reason AS BLOB)), outcome, reason FROM verdicts_1"
            )
            db.execute("DROP TABLE verdicts_1")
        db.execute(f"PRAGMA user_version={_VERSION}")


def _move_completions(db: sqlite3.Connection) -> None:
    """Move rows in small parts, so that the file does not double in size."""
    some = f"SELECT max(rowid) FROM (SELECT rowid FROM completions_1 ORDER BY rowid LIMIT {_AT_ONCE})"
    while (last := db.execute(some).fetchone())[0] is not None:
        db.execute(
            "INSERT INTO completions (key, sample, day, checksum, finish_reason, prompt_tokens, tokens, text)"
            " SELECT key, sample, date(), checksum(CAST(key AS BLOB), sample, CAST(finish_reason AS BLOB),"
            " prompt_tokens, tokens, CAST(text AS BLOB)), finish_reason, prompt_tokens, tokens, text"
            " FROM completions_1 WHERE rowid <= ? ORDER BY rowid",
            last,
        )
        db.execute("DELETE FROM completions_1 WHERE rowid <= ?", last)
    db.execute("DROP TABLE completions_1")
