"""Detection of committed transactions in SQLite's write-ahead log that SQLite will not read.

SQLite reads the log up to the first frame with a wrong checksum, and reports nothing: the write of a killed process
ends there, and so does everything that was committed behind a damaged byte. This module tells the two apart. The
format is SQLite's (https://sqlite.org/fileformat2.html#walformat).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = ["Lost", "lost_in_log"]

_HEADER, _FRAME = 32, 24
_MAGIC = 0x377F0682  # its last bit gives the byte order of the checksums
_TRIES = 5
_WORD = 0xFFFFFFFF


class Lost(NamedTuple):
    """Transactions that are lost by damage in a log."""

    at: int
    """Offset of the damaged frame, in bytes."""
    transactions: int
    """Committed transactions behind it, as far as they can be counted."""


def lost_in_log(path: Path) -> Lost | None:
    """What cannot be read of a log; `None` when all that was committed can be read, or when there is no log.

    Damage in the very last transaction cannot be told from a transaction that was never finished. Other processes may
    write meanwhile: a frame that is being written looks damaged, but not when it is read again.
    """
    last: Lost | None = None
    for _ in range(_TRIES):
        try:
            with path.open("rb") as file:
                first = file.read(_HEADER)
                lost = _lost(file, first)
                if lost is None:
                    return None
                file.seek(0)
                if file.read(_HEADER) != first:  # the log was restarted: its header is written before its frames
                    last = None
                    continue
        except FileNotFoundError:  # the last process that used it has closed it
            return None
        if last is not None and last.at == lost.at:
            return lost
        last = lost
    return None


def _lost(file: BinaryIO, header: bytes) -> Lost | None:
    if len(header) < _HEADER:
        return None
    magic, _, page, _, *_ = struct.unpack(">8I", header)
    salts, order = header[16:24], "<" if magic == _MAGIC else ">"
    sums = _checksum(header[:24], (0, 0), order)
    if magic & ~1 != _MAGIC or sums != struct.unpack(">2I", header[24:]):
        return Lost(0, 1) if file.read(1) else None
    at, broken, transactions = _HEADER, 0, 0
    while len(frame := file.read(_FRAME + page)) >= _FRAME:
        ours = frame[8:16] == salts
        if broken:
            transactions += ours and frame[4:8] != bytes(4)  # with a size of the database: a commit
        elif ours and len(frame) == _FRAME + page:
            sums = _checksum(frame[:8] + frame[_FRAME:], sums, order)
            broken = 0 if sums == struct.unpack(">2I", frame[16:_FRAME]) else at
        else:
            broken = at
        at += _FRAME + page
    return Lost(broken, transactions) if transactions else None


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for one, other in zip(words, words, strict=True):
        first = (first + one + second) & _WORD
        second = (second + other + first) & _WORD
    return first, second
