"""The store: every completion and verdict under a key of its content, in one SQLite file.

Stored rows survive a kill of the process at any moment. A power cut may lose the last transactions, but leaves no
broken file. Several processes may share a workspace. Each row has a checksum, which is compared whenever the row is
read, because SQLite does not notice a changed byte inside a text. What a key is made of is left to `engines.sampler`
and the graders, maintenance of the file to `upkeep`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, cast

from offtraj.errors import StoreError
from offtraj.model.completion import Completion, FinishReason
from offtraj.store.file import checksum, open_file, open_memory, store_errors, transaction

__all__ = ["Origin", "Store", "StoredVerdict"]


class StoredVerdict(NamedTuple):
    """A result of a verifier."""

    outcome: str
    reason: str


class Origin(NamedTuple):
    """The origin of completions, which is not part of their key."""

    model: str
    """The model's id."""
    identity: str
    """The engine's identity: changes with the weights, or with the recording."""
    sampling: str
    """The sampling parameters, as JSON."""


class Store:
    """Completions and verdicts of a workspace. A context manager, to be used from one thread."""

    def __init__(self, path: Path | None) -> None:
        """Open a file, which is made if it is missing; `None` keeps everything in memory.

        Raises:
            StoreError: when the file is damaged, of a newer version, or cannot be written.
        """
        self.path = Path(":memory:") if path is None else path
        self._db = open_memory() if path is None else open_file(path)
        self._origins: dict[Origin, int] = {}

    def completion(self, key: str, sample: int) -> Completion | None:
        """A completion; `None` when it is not in the store.

        Raises:
            StoreError: when it is damaged.
        """
        with store_errors(self.path):
            row = self._db.execute(
                "SELECT checksum, CAST(finish_reason AS BLOB), prompt_tokens, tokens, CAST(text AS BLOB)"
                " FROM completions WHERE key=? AND sample=?",
                (key, sample),
            ).fetchone()
        if row is None:
            return None
        expected, reason, prompt_tokens, tokens, text = row
        if checksum(key.encode(), sample, *row[1:]) != expected:
            raise self._damaged(f"sample {sample} of {key}")
        finish_reason = None if reason is None else cast("FinishReason", reason.decode())
        return Completion(text.decode(), finish_reason, prompt_tokens, tokens)

    def samples(self, key: str) -> frozenset[int]:
        """The numbers of the samples that are in the store."""
        with store_errors(self.path):
            return frozenset(
                sample for (sample,) in self._db.execute("SELECT sample FROM completions WHERE key=?", (key,))
            )

    def put_completions(self, completions: Iterable[tuple[str, int, Completion]], origin: Origin | None = None) -> None:
        """Store completions in one transaction; those that are in the store already are not changed.

        Args:
            completions: Key, sample number and completion.
            origin: The origin of all of them.

        Raises:
            StoreError: when they cannot be written.
        """
        day = _today()
        with store_errors(self.path):
            with transaction(self._db):
                number = None if origin is None else self._origins.get(origin) or self._origin(origin)
                self._db.executemany(
                    "INSERT OR IGNORE INTO completions"
                    " (key, sample, origin, day, checksum, finish_reason, prompt_tokens, tokens, text)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        (key, n, number, day, _checksum(key, n, c), c.finish_reason, c.prompt_tokens, c.tokens, c.text)
                        for key, n, c in completions
                    ),
                )
            if origin is not None and number is not None:  # after the commit
                self._origins[origin] = number

    def verdicts(self, keys: Sequence[str]) -> dict[str, StoredVerdict]:
        """The verdicts that are in the store, by key.

        Raises:
            StoreError: when one is damaged.
        """
        found: dict[str, StoredVerdict] = {}
        with store_errors(self.path):
            for start in range(0, len(keys), 500):
                part = keys[start : start + 500]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(
                    "SELECT key, checksum, CAST(outcome AS BLOB), CAST(reason AS BLOB) FROM verdicts"
                    f" WHERE key IN ({marks})",
                    part,
                )
                for key, expected, outcome, reason in rows:
                    if checksum(key.encode(), outcome, reason) != expected:
                        raise self._damaged(f"the verdict {key}")
                    found[key] = StoredVerdict(outcome.decode(), reason.decode())
        return found

    def put_verdicts(self, verdicts: Iterable[tuple[str, StoredVerdict]], verifier: str | None = None) -> None:
        """Store verdicts in one transaction.

        Args:
            verdicts: Key and verdict.
            verifier: Version of the verifier.

        Raises:
            StoreError: when they cannot be written.
        """
        day = _today()
        with store_errors(self.path), transaction(self._db):
            self._db.executemany(
                "INSERT OR REPLACE INTO verdicts (key, verifier, day, checksum, outcome, reason)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (key, verifier, day, checksum(key.encode(), *(part.encode() for part in verdict)), *verdict)
                    for key, verdict in verdicts
                ),
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

    def _origin(self, origin: Origin) -> int:
        self._db.execute("INSERT OR IGNORE INTO origins (model, identity, sampling) VALUES (?, ?, ?)", origin)
        found = self._db.execute("SELECT id FROM origins WHERE model=? AND identity=? AND sampling=?", origin)
        return int(found.fetchone()[0])

    def _damaged(self, what: str) -> StoreError:
        return StoreError(
            f"{self.path}: {what} is damaged: its checksum differs: `offtraj store prune --damaged "
            f"--workspace {self.path.parent}` removes damaged rows, and the next run makes them again"
        )


def _checksum(key: str, sample: int, completion: Completion) -> int:
    reason = completion.finish_reason
    return checksum(
        key.encode(),
        sample,
        None if reason is None else reason.encode(),
        completion.prompt_tokens,
        completion.tokens,
        completion.text.encode(),
    )


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
