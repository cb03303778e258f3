r"""Extraction of the answer from the text that follows the thinking. The answer is a slice of it, unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["Answer", "How", "boxed", "find_answer", "last_boxed"]

How = Literal["boxed", "stated", "bare", "guess"]

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_UNBRACED = re.compile(r"\\(?:boxed|fbox)\s+(?P<value>-?\d[\d.,]*|[A-Za-z](?!\w)|\\[A-Za-z]+)")
_STATED = re.compile(
    r"\banswer\s*(?:\*\*\s*:?|\**\s*:|(?:is|should\s+be|must\s+be|would\s+be)\b\s*:?)[\s*]*(?P<rest>[^\n]+)",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_MATH = r"(?:(?<![\\$])\$\$?[^$]+?(?<!\\)\$\$?|\\\(.+?\\\)|\\\[.+?\\\])"
_FORMULA = re.compile(_MATH, re.DOTALL)
_FORMULAS = re.compile(rf"{_MATH}(?:(?:\s*,)?\s*(?:and|or)?\s*{_MATH})*", re.DOTALL)
_COUNT = r"\\?\$?-?\d[\d,]*(?:\.\d+)?"
_COUNTED = re.compile(rf"(?P<value>{_COUNT})(?! (?:or|and|to|times|plus|minus|more|less)\b)(?P<words>(?: [A-Za-z]+)+)")
_IS = re.compile(rf".*\b(?:is|are|was|be|equals|=)\s+(?P<value>{_MATH}|{_COUNT})(?: [A-Za-z]+){{0,3}}", re.DOTALL)
_SENTENCE_END = re.compile(r"[.!](?=\s|$)|,? (?:because|since|as|so|which|where)\b")
_PROSE = re.compile(r"[A-Za-z]{2,}[,.]? +[A-Za-z]{2,}")
_COMMAND = re.compile(r"\\(?:text|mathrm|mbox)\s*\{[^{}]*\}|\\[A-Za-z]+")
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?!\w)")
_BARE = re.compile(
    rf"{_MATH}|\(?[A-Z]\)?|(?:[A-Za-z](?:\([a-z]\))? ?= ?)?[-+(\[]*(?:\d|\\[A-Za-z]+|\\?\{{|\.\d|√|π)"
    # Each character can match in one way only, so that matching takes linear time.
    r"(?:[^\W\d_](?![^\W\d_])|\\[A-Za-z]+|\\(?![A-Za-z])|[\d\s{}()\[\],.^_+*/=<>|!%°√×·−∞-])*"
    r"(?:[A-Za-z]+(?: [A-Za-z]+)?)?"
)
_LONGEST_BARE = 120
_END = 4000  # characters at the end of a text that are searched for a stated answer
_TAIL = 1000  # characters at the end of a text that are searched for a last formula or number


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and how it was found in the text."""

    text: str
    how: How
    r"""`boxed`: the content of the last `\boxed` or `\fbox` (also `\boxed 5`). The fallbacks, in this order:
    `stated`, no box, but `Answer: …` or `the answer is …`; `bare`, the whole text is nothing but a short
    expression; `guess`, the last formula or number of a text that states no answer, which never passes."""


def find_answer(text: str) -> Answer | None:
    r"""The answer in a text that follows the thinking; `None` for a text without one.

    It is the content of the last balanced `\boxed{…}`; without a box, the last statement of an answer; else the
    whole text, if it is an expression; else the last formula or number, which is a guess.
    """
    box = last_boxed(text)
    if box is not None:
        return Answer(box, "boxed") if box.strip() else None
    if bare := _UNBRACED.findall(text):
        return Answer(bare[-1].rstrip(".,"), "boxed")
    stated = None
    for stated in _STATED.finditer(text[-_END:]):  # noqa: B007 - the last one
        pass
    if stated is not None and (answer := _statement(stated["rest"])) is not None:
        return answer
    whole = text.strip().strip("* ")
    if _is_bare(whole):
        return Answer(whole, "bare")
    return _guess(text[-_TAIL:])


def last_boxed(text: str) -> str | None:
    r"""The content of the last balanced `\boxed{…}` or `\fbox{…}`; of nested ones the outermost."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return None
    found = None
    for found in boxed(text):  # noqa: B007 - the last one
        pass
    return None if found is None else found[0]


def boxed(text: str) -> Iterator[tuple[str, int]]:
    """The contents of all outermost balanced boxes, each with the offset, in characters, behind the box."""
    at = 0
    while match := _BOX.search(text, at):
        end = _closing_brace(text, match.end())
        if end is None:
            at = match.end()
        else:
            yield text[match.end() : end], end + 1
            at = end + 1


_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


def _closing_brace(text: str, start: int) -> int | None:
    depth = 1
    for match in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return None


def _statement(rest: str) -> Answer | None:
    """The expression in `5.`, `**5**`, `$2$ and $3$, because …`, `5 apples.`; words where it is none."""
    bold = _BOLD.search(rest)
    statement = (bold[1] if bold else rest).strip(" *")
    formulas = _FORMULAS.match(statement)
    if formulas:
        return Answer(formulas[0], "stated")
    end = _SENTENCE_END.search(statement)
    statement = (statement[: end.start()] if end else statement).strip(" *")
    if counted := _COUNTED.fullmatch(statement):
        return Answer(statement if counted["words"].count(" ") < 3 else counted["value"], "stated")
    if _PROSE.search(_COMMAND.sub(" ", statement)):
        said = _IS.fullmatch(statement)
        return Answer(said["value"], "stated") if said else _guess(rest) or Answer(statement, "stated")
    return Answer(statement, "stated") if any(c.isalnum() for c in statement) else None


def _is_bare(text: str) -> bool:
    """Whether a text is one expression and nothing else."""
    if len(text) > _LONGEST_BARE or "\\boxed" in text or "\\fbox" in text:
        return False
    return _BARE.fullmatch(text) is not None


def _guess(text: str) -> Answer | None:
    """The last formula or number."""
    last = None
    for pattern in (_FORMULA, _NUMBER):
        for match in pattern.finditer(text):
            if last is None or match.start() >= last.end():
                last = match
    if last is None:
        return None
    return Answer(last[0].rstrip(",") if last.re is _NUMBER else last[0].rpartition("=")[2], "guess")
