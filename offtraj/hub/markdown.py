"""Foreign text in Markdown: shown as it is, and unable to break out of its place."""

from __future__ import annotations

import re
from textwrap import TextWrapper

__all__ = ["cell", "code", "fence", "shorten", "wrap"]

_RUNS = re.compile(r"`+")
_WRAPPER = TextWrapper(
    width=92, expand_tabs=False, replace_whitespace=False, drop_whitespace=True, break_on_hyphens=False
)


def fence(text: str) -> str:
    """A code block whose fence is longer than any run of backticks in the text."""
    bar = "`" * max(3, _longest_run(text) + 1)
    return f"{bar}text\n{text}\n{bar}"


def code(text: str) -> str:
    """A code span on one line, whose marks are longer than any run of backticks in the text."""
    flat = " ".join(text.split())
    mark = "`" * (_longest_run(flat) + 1)
    padding = " " if not flat or flat.startswith("`") or flat.endswith("`") else ""
    return f"{mark}{padding}{flat}{padding}{mark}"


def cell(text: str) -> str:
    """Text in a table: on one line, its pipes no borders."""
    return " ".join(text.split()).replace("|", r"\|")


def wrap(text: str) -> str:
    """The text with its long lines broken at spaces, for a block that does not wrap them itself."""
    lines = text.split("\n")
    return "\n".join("\n".join(_WRAPPER.wrap(line)) if len(line) > _WRAPPER.width else line for line in lines)


def shorten(text: str, *, head: int, tail: int) -> str:
    """The beginning and the end of a text, in characters, with a line that says how much is left out between."""
    left_out = len(text) - head - tail
    if left_out < (head + tail) // 4:  # not worth a gap
        return text
    return f"{text[:head]} …\n\n[{left_out:,} characters are left out here]\n\n… {text[-tail:]}"


def _longest_run(text: str) -> int:
    return max(map(len, _RUNS.findall(text)), default=0)
