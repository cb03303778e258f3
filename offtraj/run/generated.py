"""The rows of a run by id: under which key the store holds their completions.

Takes some 50 bytes a row (80 where rows are looked up in another order), so that prompts are rendered once and no
row is kept.
"""

from __future__ import annotations

import hashlib
from array import array
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["GeneratedRow", "GeneratedRows"]

_DIGEST = 16  # bytes of the hash of a row's id
_KEY = 32  # bytes of a completion's key


class GeneratedRow(NamedTuple):
    """What is kept of a row."""

    key: str
    """Key of its completions in the store, in hex."""
    prefix_tokens: int | None
    """Tokens of its prefix; none for recordings."""


class GeneratedRows:
    """Rows, each found by its id; fastest in the order in which they were added."""

    def __init__(self) -> None:
        self._digests, self._keys, self._prefixes = bytearray(), bytearray(), array("i")
        self._next = 0
        self._sorted: tuple[NDArray[np.bytes_], NDArray[np.intp]] | None = None
        """The digests in their order, and the number of the row of each."""

    def add(self, row_id: str, row: GeneratedRow) -> None:
        """Keep a row. An id is a hash of the row's content: one that is added twice is the same row."""
        self._digests += _digest(row_id)
        self._keys += bytes.fromhex(row.key)
        self._prefixes.append(-1 if row.prefix_tokens is None else row.prefix_tokens)
        self._sorted = None

    def find(self, row_id: str) -> GeneratedRow | None:
        """The row of that id; `None` for one that was not added."""
        digest = _digest(row_id)
        number = self._next if self._has(self._next, digest) else self._search(digest)
        if number is None:
            return None
        self._next = number + 1
        prefix = self._prefixes[number]
        return GeneratedRow(self._keys[_KEY * number : _KEY * (number + 1)].hex(), None if prefix < 0 else prefix)

    def _has(self, number: int, digest: bytes) -> bool:
        return self._digests[_DIGEST * number : _DIGEST * (number + 1)] == digest

    def _search(self, digest: bytes) -> int | None:
        import numpy as np

        if self._sorted is None:
            digests = np.frombuffer(bytes(self._digests), dtype=f"S{_DIGEST}")
            order = np.argsort(digests, kind="stable")
            self._sorted = digests[order], order
        digests, order = self._sorted
        at = int(np.searchsorted(digests, np.bytes_(digest)))
        number = int(order[at]) if at < len(order) else -1
        return number if number >= 0 and self._has(number, digest) else None


def _digest(row_id: str) -> bytes:
    return hashlib.sha256(row_id.encode()).digest()[:_DIGEST]
