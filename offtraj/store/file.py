"""The workspace's file: made, opened and brought up to date, and what is wrong with it said in one message.

Nothing here removes anything. What stands in the tables is left to `store`.
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
# The text stands last: what is in front of it is read without it.
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
_LEAST = 512  # bytes of a file with anything in it
_AT_ONCE = 100  # rows that are moved to the new table before they are removed from the old one
_WAIT = 60.0  # seconds for others to finish writing


def open_file(path: Path, *, despite_damage: bool = False) -> sqlite3.Connection:
    """Open a workspace's file, and make it where there is none. One of an older version is brought up to date.

    Args:
        path: The file.
        despite_damage: Go on with what can be read of a damaged log, whose rest is then lost, and of a file that was
            cut off.

    Raises:
        StoreError: when it is damaged, empty, of a newer version or no workspace, or cannot be written.
    """
    log = path.with_name(f"{path.name}-wal")
    with store_errors(path):
        log_there = log.exists()
        if not path.exists():
            if log_there:
                raise StoreError(
                    f"{path}: is missing, and {log.name}, which belongs to it, is there: bring it back, or "
                    f"move {log.name} away as well to begin anew"
                )
            _make(path)
        # Looked at, and not opened: closing a file of one's own lets go of SQLite's locks on it.
        if path.is_dir():
            raise StoreError(f"{path}: is a folder, not a workspace's file: use another --workspace")
        if (size := path.stat().st_size) < _LEAST:  # SQLite takes an empty file for a new one
            raise StoreError(
                f"{path}: of the workspace that was here {size} bytes are left: restore it from a copy, or remove it to "
                "begin anew"
            )
        if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
            raise StoreError(
                f"{path}: cannot be written, or its folder cannot: change their permissions, or use another --workspace"
            )
        lost = None if despite_damage else lost_in_log(log)
        if lost is not None:
            raise StoreError(
                f"{log}: is damaged at byte {lost.at}: {lost.transactions} transactions behind it cannot be read: restore "
                f"it from a copy, or go on without them: {_remedy(path)}"
            )
        return _opened(path, despite_damage=despite_damage)


def new_file(path: Path) -> sqlite3.Connection:
    """Make an empty workspace where nothing is, and open it."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        with transaction(db):
            _make_tables(db)
            db.execute(f"PRAGMA user_version={_VERSION}")
        db.execute("PRAGMA journal_mode=WAL")  # after that: only now a full disk would have been said
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
    """What SQLite finds wrong with a file, or with what is said of its tables in it."""
    try:
        found = [line for (line,) in db.execute(f"PRAGMA integrity_check({most})") if line != "ok"]
        declared = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
            _make_tables(new)
            if db.execute(declared).fetchall() != new.execute(declared).fetchall():
                found.append("the declarations of its tables are not what they were")
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return found


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into ones that name the file and the remedy.

    Raises:
        StoreError: instead of them.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorname", "")
        damaged = f"the file is damaged: restore it from a copy, or keep what can be read of it: {_remedy(path)}"
        remedies = {
            "SQLITE_FULL": "make room and run the same command again: it continues",
            "SQLITE_IOERR": "if the disk is full or a quota used up, make room; then run the same command again: it continues",
            "SQLITE_BUSY": "another process uses it: wait until that has ended, or use another --workspace",
            "SQLITE_CORRUPT": damaged,
            "SQLITE_ERROR": damaged,  # what we ask is right, so that a table is not what it was
            "SQLITE_NOTADB": "the file is no workspace: use another --workspace",
        }
        remedy = next((remedies[name] for name in remedies if code.startswith(name)), "use another --workspace")
        raise StoreError(f"{path}: the workspace cannot be used: {error}: {remedy}") from error


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All that the block does, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite itself takes back some of what fails
            db.execute("ROLLBACK")
        raise


def checksum(*parts: bytes | float | None) -> int:
    """CRC-32 over a row's content: which of its bytes belong to which part counts, too."""
    total = 0
    for part in parts:
        data = part if isinstance(part, bytes) else repr(part).encode()
        total = zlib.crc32(data, zlib.crc32(f"{type(part).__name__} {len(data)} ".encode(), total))
    return total


def _remedy(path: Path) -> str:
    return f"`offtraj store prune --damaged --workspace {path.parent}`"


def _make(path: Path) -> None:
    """Make an empty workspace beside it, and put it there whole: another process may be doing the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        made = Path(folder) / path.name
        new_file(made).close()
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links: a moment in which two may collide
            if not path.exists():
                os.rename(made, path)


def _make_tables(db: sqlite3.Connection) -> None:
    for table in _SCHEMA.split(";")[:-1]:  # a script would end the transaction
        db.execute(table)


def _opened(path: Path, *, despite_damage: bool) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
    try:
        db.create_function("checksum", -1, checksum, deterministic=True)
        if despite_damage:
            db.execute("PRAGMA writable_schema=ON")  # which lets a file be shorter than it says
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
        version = _version(db)  # another process may have done it while we waited
        if version == _VERSION:
            return
        if version not in (0, 1):
            raise StoreError(
                f"{path}: the workspace is of version {version}, this program's is {_VERSION}: update offtraj, or use "
                "another --workspace"
            )
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if tables - {"completions", "verdicts"}:
            raise StoreError(f"{path}: is another program's database: use another --workspace")
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
    """Bit by bit, so that the file does not become twice as large."""
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
