"""Finding the answer in what follows the thinking. The text itself is never changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["Answer", "boxed", "find_answer", "last_boxed"]

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_STATED = re.compile(
    r"\banswer\s*(?:\*\*\s*:?|\**\s*:|(?:is|should\s+be|must\s+be|would\s+be)\b\s*:?)[\s*]*(?P<rest>[^\n]+)",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*(.+?)\*\*")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and how it was found."""

    text: str
    how: Literal["boxed", "stated"]
    """`boxed`: the content of the last `\\boxed`; `stated`: no box, but `Answer: …` or `the answer is …`."""


def find_answer(text: str) -> Answer | None:
    r"""The answer in a text that follows the thinking; `None` where there is none.

    The last balanced `\boxed{…}` counts. Without any, the last statement of an answer does; a mere last
    number does not.
    """
    box = last_boxed(text)
    if box is not None:
        return Answer(box, "boxed")
    stated = [match["rest"] for match in _STATED.finditer(text)]
    if not stated:
        return None
    bold = _BOLD.search(stated[-1])
    statement = (bold[1] if bold else stated[-1]).strip(" *")
    return Answer(statement, "stated") if any(c.isalnum() for c in statement) else None


def last_boxed(text: str) -> str | None:
    r"""The content of the last balanced `\boxed{…}` or `\fbox{…}`."""
    found = None
    for found in boxed(text):  # noqa: B007 - the last one
        pass
    return None if found is None else found[0]


def boxed(text: str) -> Iterator[tuple[str, int]]:
    """Contents of all balanced boxes, outermost ones, with the character behind each."""
    at = 0
    while match := _BOX.search(text, at):
        end = _closing_brace(text, match.end())
        if end is None:
            at = match.end()
        else:
            yield text[match.end() : end], end + 1
            at = end + 1


def _closing_brace(text: str, start: int) -> int | None:
    depth = 1
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return None
