"""The texts of a page's trajectories: JavaScript files of about a megabyte, loaded when one of their rows is opened.

A page that was opened from disk cannot fetch files, but can load scripts. Model output is in them as JSON, in ASCII and
without `<`, so that a browser never reads it as markup.
"""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["CHUNK_NAME", "ChunkWriter", "script_json"]

CHUNK_NAME = "{:03d}.js"
_BYTES = 2**20


def script_json(value: object) -> str:
    """JSON for a script element or a script file: ASCII without `<`, `>` and `&`."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class ChunkWriter:
    """Writes texts to chunks; holds at most one chunk in memory.

    Args:
        folder: An empty folder.
        stamp: Identifies the page in each of its chunks.
    """

    def __init__(self, folder: Path, stamp: str) -> None:
        self.firsts: list[int] = []
        """For each chunk the number of texts in the chunks before it."""
        self._folder = folder
        self._stamp = stamp
        self._waiting: list[str] = []
        self._bytes = 0
        self._texts = 0

    def add(self, value: object) -> None:
        """Add the texts of one row."""
        text = script_json(value)
        self._waiting.append(text)
        self._bytes += len(text)
        if self._bytes >= _BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the texts that are held."""
        if not self._waiting:
            return
        number = len(self.firsts)
        with (self._folder / CHUNK_NAME.format(number)).open("w", encoding="ascii", newline="") as file:
            file.write(f"offtraj({script_json(self._stamp)},{number},[\n")
            file.write(",\n".join(self._waiting))
            file.write("\n]);\n")
        self.firsts.append(self._texts)
        self._texts += len(self._waiting)
        self._waiting, self._bytes = [], 0
