"""Where a piece of reasoning first states the gold answer (paper, section 3.2, finding 2: "Ans.?")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from offtraj.grading.math.answer import Answer, boxed
from offtraj.grading.math.rule import Verifier, same_by_fast_compare

__all__ = ["Candidate", "candidates", "revealed_at", "states"]

# What stands behind an equals sign, up to where the expression ends: punctuation, the formula's end, a word.
_RIGHT_HAND_SIDE = re.compile(
    r"=\s*(?P<value>[^=\n<>≤≥≈]{1,80}?)(?=\s*(?:\Z|\n|[.,;:!?](?!\d)|\\[\])]|\$|[A-Za-z]{2,}))"
)
_STATED = re.compile(
    r"\banswer\b(?:\s+(?:is|should\s+be|must\s+be|would\s+be))?[\s*:]*(?P<value>[^\n]{1,80}?)(?=\s*(?:\Z|\n|[.,;!?](?!\d)))",
    re.IGNORECASE,
)
_NUMBER_SAID = re.compile(
    r"\b(?:is|equals?|gives?|gets?|makes?|that['’]s|it['’]s)\s+(?:\\\(|\\?\$)?\s*(?P<value>-?\d[\d,]*(?:\.\d+)?)"
    r"(?![\d,.]*\d|\s*[*/^+×·-])",
    re.IGNORECASE,
)
_WRAPPING = re.compile(r"^(?:\\\(|\\\[|\$|\*)+|(?:\\\)|\\\]|\$|\*)+$")


class Candidate(NamedTuple):
    """A value that a text states."""

    value: str
    end: int
    """The character behind it."""
    thorough: bool
    """Whether a verifier is to look at it where sight does not tell: boxes and `the answer is …`."""


def candidates(text: str) -> tuple[Candidate, ...]:
    """What a text states, in its order: boxes, `the answer is …`, right-hand sides, `that is 12`."""
    return tuple(sorted(_candidates(text), key=lambda candidate: candidate.end))


async def revealed_at(stated: Iterable[Candidate], gold: str, verifier: Verifier) -> int | None:
    """The character behind the first statement of the gold answer; `None` when it is never stated."""
    seen: dict[str, bool] = {}
    for value, end, thorough in stated:
        if value not in seen:
            sight = same_by_fast_compare(gold, value)
            if sight is None and thorough:
                sight = (await verifier.compare(gold, Answer(value, "boxed"))).result == "equal"
            seen[value] = bool(sight)
        if seen[value]:
            return end
    return None


def states(stated: Iterable[Candidate], gold: str) -> bool:
    """Whether the gold answer is among what is stated, as far as that is told at sight."""
    return any(same_by_fast_compare(gold, candidate.value) for candidate in stated)


def _candidates(text: str) -> Iterator[Candidate]:
    for value, end in boxed(text):
        yield Candidate(value, end, True)
    for match in _STATED.finditer(text):
        yield Candidate(_WRAPPING.sub("", match["value"]).strip(), match.end("value"), True)
    for match in _RIGHT_HAND_SIDE.finditer(text):
        yield Candidate(_WRAPPING.sub("", match["value"]).strip(), match.end("value"), False)
    for match in _NUMBER_SAID.finditer(text):
        yield Candidate(match["value"].rstrip(","), match.end("value"), False)
