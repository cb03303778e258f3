"""The workspace: one SQLite file that keeps every completion and verdict, keyed by content.

What is stored survives a kill at any moment; starting again asks for nothing that is here. Two processes
may share a workspace. What a key is made of is left to `sampling` and `verify`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, cast

from offtraj.completion import Completion, FinishReason
from offtraj.errors import StoreError

__all__ = ["Store", "StoredVerdict"]

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS completions (
    key TEXT NOT NULL, sample INTEGER NOT NULL, text TEXT NOT NULL, finish_reason TEXT,
    prompt_tokens INTEGER, tokens INTEGER, UNIQUE (key, sample));
CREATE TABLE IF NOT EXISTS verdicts (
    key TEXT PRIMARY KEY, outcome TEXT NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
"""


class StoredVerdict(NamedTuple):
    """What a verifier said, as far as it can be kept."""

    outcome: str
    reason: str


class Store:
    """Completions and verdicts of a workspace. A context manager; used from one thread."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            StoreError: when it is damaged, of another version, or cannot be written.
        """
        self.path = path
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise StoreError(
                    f"{path}: the workspace is of version {version}, this program's is {_VERSION}: "
                    "use another --workspace"
                )
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version={_VERSION}")

    def completion(self, key: str, sample: int) -> Completion | None:
        """A completion, if it is here."""
        with self._errors():
            row = self._db.execute(
                "SELECT text, finish_reason, prompt_tokens, tokens FROM completions WHERE key=? AND sample=?",
                (key, sample),
            ).fetchone()
        return None if row is None else Completion(row[0], cast("FinishReason | None", row[1]), row[2], row[3])

    def samples(self, key: str) -> frozenset[int]:
        """Sample numbers that are here."""
        with self._errors():
            return frozenset(
                sample for (sample,) in self._db.execute("SELECT sample FROM completions WHERE key=?", (key,))
            )

    def put_completions(self, completions: Iterable[tuple[str, int, Completion]]) -> None:
        """Keep completions, all or none; what is here already stays as it is."""
        with self._errors(), self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO completions VALUES (?, ?, ?, ?, ?, ?)",
                ((key, n, c.text, c.finish_reason, c.prompt_tokens, c.tokens) for key, n, c in completions),
            )

    def verdicts(self, keys: Sequence[str]) -> dict[str, StoredVerdict]:
        """Those verdicts that are here, by key."""
        found: dict[str, StoredVerdict] = {}
        with self._errors():
            for start in range(0, len(keys), 500):
                part = keys[start : start + 500]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(f"SELECT key, outcome, reason FROM verdicts WHERE key IN ({marks})", part)  # noqa: S608
                found.update((key, StoredVerdict(outcome, reason)) for key, outcome, reason in rows)
        return found

    def put_verdicts(self, verdicts: Iterable[tuple[str, StoredVerdict]]) -> None:
        """Keep verdicts, all or none."""
        with self._errors(), self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", ((key, *verdict) for key, verdict in verdicts)
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorname", "").split("_")[:2]  # without the system call that failed
            remedy = {
                "SQLITE_FULL": "make room and run the same command again: it continues",
                "SQLITE_IOERR": "make room and run the same command again, it continues: a quota may be used up; or use "
                "another --workspace, where the disk is failing",
                "SQLITE_BUSY": "another process holds it: wait, or use another --workspace",
                "SQLITE_CORRUPT": "the file is damaged: move it away, or restore it from a copy",
                "SQLITE_NOTADB": "the file is no workspace: use another --workspace",
            }.get("_".join(code), "use another --workspace")
            raise StoreError(f"{self.path}: the workspace cannot be used: {error}: {remedy}") from error
