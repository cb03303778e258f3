"""Maintenance of a workspace: its content, its integrity, and the removal of rows.

Tables are read row by row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from offtraj.errors import StoreError, UsageError
from offtraj.store.file import file_problems, open_file, store_errors
from offtraj.store.salvage import Salvaged, salvage
from offtraj.store.store import Origin

__all__ = ["Choice", "Inspection", "Kept", "Pruned", "inspect", "prune"]

_NAMED = 20  # damaged rows that are listed by name
_MAX_WAIT = 3000  # milliseconds to wait until no other process uses the file
_FROM_ELSEWHERE = ("recorded", "published")
_COMPLETION = (
    "checksum(CAST(key AS BLOB), sample, CAST(finish_reason AS BLOB), prompt_tokens, tokens, CAST(text AS BLOB))"
)
_VERDICT = "checksum(CAST(key AS BLOB), CAST(outcome AS BLOB), CAST(reason AS BLOB))"


@dataclass(slots=True)
class Kept:
    """Completions of one origin, or verdicts of one verifier."""

    count: int = 0
    bytes: int = 0
    """Bytes of texts; of verdicts, of results and reasons."""
    first: str = "9999"
    """Day (UTC) on which the first was stored; for rows of a file of version 1, the day of its upgrade."""
    last: str = ""


@dataclass
class Inspection:
    """The content of a workspace."""

    path: Path
    bytes: int
    """Bytes of its files on disk."""
    completions: dict[Origin | None, Kept] = field(default_factory=dict)
    """By origin; `None` for completions from a file of version 1, which has no origins."""
    verdicts: dict[str | None, Kept] = field(default_factory=dict)
    """By version of the verifier; `None` for verdicts from a file of version 1."""
    damaged: int = 0
    """Rows whose checksum differs."""
    named: list[str] = field(default_factory=list)
    """The first of them, by name."""
    problems: list[str] = field(default_factory=list)
    """Problems that SQLite finds in the file."""

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damaged and not self.problems


@dataclass(frozen=True)
class Choice:
    """Which rows to remove: those to which all given conditions apply."""

    models: Sequence[str] = ()
    """Completions of these models."""
    older_than: int | None = None
    """Rows that were stored more than this number of days ago."""
    outdated: bool = False
    """Completions of a model that has newer ones of another identity (revision, folder, recording); verdicts of other
    versions of the verifiers than the current ones."""
    damaged: bool = False
    """Rows whose checksum differs."""


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be removed."""

    completions: int
    verdicts: int
    bytes: int
    """Bytes of texts."""
    before: int
    """Bytes on disk."""
    after: int
    salvaged: Salvaged | None = None
    """The rows that were kept, where the file was broken and has been rebuilt."""
    not_shrunk: str = ""
    """Why the file could not be made smaller; the free space in it will be used."""


def inspect(path: Path) -> Inspection:
    """The content of a workspace, with every row checked. Other processes may use it meanwhile.

    Raises:
        UsageError: when there is no workspace.
        StoreError: when it cannot be opened.
    """
    _see(path)
    with store_errors(path), closing(open_file(path)) as db:
        found = Inspection(path, _size(path))
        db.text_factory = lambda text: text.decode(errors="replace")  # a damaged name is shown as far as it can be read
        db.execute("BEGIN")  # a consistent snapshot
        found.problems = file_problems(db, _NAMED)
        try:
            origins: dict[int | None, Origin] = {
                number: Origin(*rest)
                for number, *rest in db.execute("SELECT id, model, identity, sampling FROM origins")
            }
            rows = db.execute(
                "SELECT key || ', sample ' || sample, origin, length(CAST(text AS BLOB)), day,"
                f" checksum IS NOT {_COMPLETION} FROM completions"
            )
            for number, kept in _gather(rows, "completion", found).items():
                found.completions[origins.get(number)] = kept
            rows = db.execute(
                "SELECT key, verifier, length(CAST(outcome AS BLOB)) + length(CAST(reason AS BLOB)), day,"
                f" checksum IS NOT {_VERDICT} FROM verdicts"
            )
            found.verdicts = _gather(rows, "verdict", found)
        except sqlite3.DatabaseError as error:
            found.problems.append(str(error))
        return found


def _gather(rows: Iterable[tuple[Any, ...]], what: str, found: Inspection) -> dict[Any, Kept]:
    by: dict[Any, Kept] = {}
    for name, of, size, day, damaged in rows:
        kept = by.setdefault(of, Kept())
        kept.count += 1
        kept.bytes += size
        kept.first, kept.last = min(kept.first, day), max(kept.last, day)
        if damaged:
            found.damaged += 1
            if len(found.named) < _NAMED:
                found.named.append(f"{what} {name}")
    return by


def prune(path: Path, choice: Choice, *, verifiers: Sequence[str], dry_run: bool = False) -> Pruned:
    """Remove the chosen rows, and shrink the file, which no other process may have open.

    When the process is killed at any moment, all chosen rows are in the file, or none is.

    Args:
        path: The workspace's file.
        choice: Which rows to remove.
        verifiers: Current versions of all verifiers; verdicts of other versions are outdated.
        dry_run: Count rows without removing them.

    Raises:
        UsageError: when there is no workspace, no condition is given, or a model is not in the workspace.
        StoreError: when another process uses it, or it is broken and `damaged` is not chosen.
    """
    if choice == Choice():
        raise UsageError("nothing is chosen: give --model, --older-than, --outdated or --damaged")
    _see(path)
    with (
        store_errors(path),
        closing(open_file(path, despite_damage=choice.damaged and not dry_run)) as db,
    ):
        before = _size(path)
        if not dry_run:
            _be_alone(db, path)
        if choice.damaged and file_problems(db, 1):
            saved = _salvaged(db, path, choice, dry_run=dry_run)
            db.close()
            return Pruned(0, 0, 0, before, _size(path), saved)
        chosen = {
            "completions": _conditions(db, choice),
            "verdicts": _verdict_conditions(choice, verifiers),
        }
        refused = ""
        counts = {table: _count(db, table, *conditions) for table, conditions in chosen.items()}
        if not dry_run:
            db.execute("BEGIN IMMEDIATE")
            for table, (condition, values) in chosen.items():
                db.execute(f"DELETE FROM {table} WHERE {condition}", values)
            db.execute("COMMIT")
            try:
                db.execute("VACUUM")
            except sqlite3.OperationalError as error:
                refused = str(error)
            db.execute("PRAGMA locking_mode=NORMAL")
            db.execute("PRAGMA journal_mode=WAL")
        (completions, size), (verdicts, _) = counts["completions"], counts["verdicts"]
    return Pruned(completions, verdicts, size, before, before if dry_run else _size(path), None, refused)


def _be_alone(db: sqlite3.Connection, path: Path) -> None:
    """Lock the file: only a single connection can leave the log mode, and it remains the only one."""
    db.execute(f"PRAGMA busy_timeout={_MAX_WAIT}")
    db.execute("PRAGMA locking_mode=EXCLUSIVE")
    try:
        db.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if "SQLITE_BUSY" not in error.sqlite_errorname:
            raise
        raise StoreError(
            f"{path}: another process uses the workspace: nothing was removed: prune when that process has ended"
        ) from error
    db.execute("PRAGMA synchronous=FULL")


def _salvaged(db: sqlite3.Connection, path: Path, choice: Choice, *, dry_run: bool) -> Salvaged:
    if choice != Choice(damaged=True):
        raise StoreError(f"{path}: the file itself is broken: repair it first, with --damaged and no other option")
    if dry_run:
        raise StoreError(
            f"{path}: the file itself is broken: without --dry-run it is rebuilt from the rows that can be read"
        )
    try:
        return salvage(db, path)
    except sqlite3.DatabaseError as error:
        if not error.sqlite_errorname.startswith(("SQLITE_CORRUPT", "SQLITE_ERROR")):
            raise
        raise StoreError(
            f"{path}: too broken to be repaired ({error}): restore it from a copy, or remove it"
        ) from error


def _conditions(db: sqlite3.Connection, choice: Choice) -> tuple[str, list[object]]:
    """The condition on completions, in SQL, and its values."""
    conditions, values = list(_common(choice, _COMPLETION)), list(_since(choice))
    if choice.models:
        known = {model for (model,) in db.execute("SELECT DISTINCT model FROM origins")}
        for model in choice.models:
            if model not in known:
                raise UsageError(
                    f"--model {model!r}: the workspace has no completions of it, only of {', '.join(sorted(known))}"
                )
        marks = ",".join("?" * len(choice.models))
        conditions.append(f"origin IN (SELECT id FROM origins WHERE model IN ({marks}))")
        values += choice.models
    if choice.outdated:
        conditions.append(f"origin IN ({','.join(map(str, sorted(_outdated(db))))})")
    return " AND ".join(conditions), values


def _verdict_conditions(choice: Choice, verifiers: Sequence[str]) -> tuple[str, list[object]]:
    if choice.models:  # a verdict belongs to an answer, not to a model
        return "0", []
    conditions, values = list(_common(choice, _VERDICT)), list(_since(choice))
    if choice.outdated:
        conditions.append(f"verifier NOT IN ({','.join('?' * len(verifiers))})")
        values += verifiers
    return " AND ".join(conditions), values


def _common(choice: Choice, checksum: str) -> Iterator[str]:
    if choice.older_than is not None:
        yield "day < ?"
    if choice.damaged:
        yield f"checksum IS NOT {checksum}"


def _since(choice: Choice) -> Iterator[object]:
    if choice.older_than is not None:
        yield (datetime.now(UTC).date() - timedelta(days=choice.older_than)).isoformat()


def _outdated(db: sqlite3.Connection) -> set[int]:
    """Origins with a newer identity of the same model and kind (sampled, recorded or published)."""
    newest: dict[int, int] = dict(db.execute("SELECT origin, rowid FROM completions WHERE origin > 0 ORDER BY rowid"))
    current: dict[tuple[str, str], tuple[int, str]] = {}
    origins = []
    for number, model, identity in db.execute("SELECT id, model, identity FROM origins"):
        kind = identity.partition(":")[0]
        group = (model, kind if kind in _FROM_ELSEWHERE else "")
        origins.append((number, group, identity))
        current[group] = max(current.get(group, (0, "")), (newest.get(number, 0), identity))
    return {number for number, group, identity in origins if identity != current[group][1]}


def _count(db: sqlite3.Connection, table: str, condition: str, values: list[object]) -> tuple[int, int]:
    text = "text" if table == "completions" else "outcome"
    count, size = db.execute(
        f"SELECT count(*), sum(length(CAST({text} AS BLOB))) FROM {table} WHERE {condition}",
        values,
    ).fetchone()
    return count, size or 0


def _see(path: Path) -> None:
    if not path.exists() and not path.with_name(f"{path.name}-wal").exists():
        raise UsageError(f"{path}: there is no workspace: give its folder with --workspace")


def _size(path: Path) -> int:
    """Bytes of the file and of those that belong to it."""
    files = (path.with_name(path.name + end) for end in ("", "-wal", "-shm"))
    return sum(file.stat().st_size for file in files if file.exists())
