"""Content hashes: the only source of identity and of "random" choice.

A choice is made by ranking ids by `rank(seed, *ids)`. There is no shared random stream, so adding a
model or a question changes no other choice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

__all__ = ["content_id", "file_sha256", "rank", "text_sha256"]

Part: TypeAlias = "str | int | float | bool | Sequence[Part] | Mapping[str, Part] | None"


def _canonical(parts: tuple[Part, ...]) -> bytes:
    return json.dumps(parts, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode("ascii")


def content_id(*parts: Part) -> str:
    """SHA-256, in hex, of the parts' canonical JSON: equal exactly when all parts are equal."""
    return hashlib.sha256(_canonical(parts)).hexdigest()


def rank(seed: int, *ids: str | int) -> int:
    """A uniformly distributed 64-bit number that depends on nothing but `seed` and `ids`."""
    return int.from_bytes(hashlib.sha256(_canonical((seed, *ids))).digest()[:8], "big")


def text_sha256(text: str) -> str:
    """SHA-256, in hex, of the text's UTF-8."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256, in hex, of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
