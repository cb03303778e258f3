"""Text of models and benchmarks in Markdown: shown unchanged, and unable to end the block that it is in."""

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
    """Text for a table cell: on one line, with its pipes escaped."""
    return " ".join(text.split()).replace("|", r"\|")


def wrap(text: str) -> str:
    """The text with long lines broken at spaces, for blocks that are shown without wrapping."""
    lines = text.split("\n")
    return "\n".join("\n".join(_WRAPPER.wrap(line)) if len(line) > _WRAPPER.width else line for line in lines)


def shorten(text: str, *, head: int, tail: int) -> str:
    """The first `head` and last `tail` characters of a text, with a line that states how many are left out."""
    left_out = len(text) - head - tail
    if left_out < (head + tail) // 4:  # too little to leave out
        return text
    return f"{text[:head]} …\n\n[{left_out:,} characters are left out here]\n\n… {text[-tail:]}"


def _longest_run(text: str) -> int:
    return max(map(len, _RUNS.findall(text)), default=0)
