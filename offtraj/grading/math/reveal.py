"""Where a piece of reasoning first states the gold answer (paper, section 3.2, finding 2: "Ans.?")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from offtraj.grading.math.answer import Answer, boxed
from offtraj.grading.math.reference import MathReference
from offtraj.grading.math.rule import Verifier, same_by_fast_compare

__all__ = ["Candidate", "MathStatements", "candidates"]

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
    """Offset, in characters, behind it."""
    thorough: bool
    """Whether the verifier compares it where the fast comparison does not decide: boxes and `the answer is …`."""


class MathStatements:
    """The values that a text states, in the text's order."""

    def __init__(self, text: str, verifier: Verifier) -> None:
        """Find the candidates of a text; `verifier` compares those for which algebra is needed."""
        self._candidates = candidates(text)
        self._verifier = verifier

    def contain(self, reference: MathReference) -> bool:
        """Whether the gold answer is among them, as far as the fast comparison decides that."""
        return any(same_by_fast_compare(reference.gold, candidate.value) for candidate in self._candidates)

    async def first(self, reference: MathReference) -> int | None:
        """The offset, in characters, behind the first statement of the gold answer; `None` without any."""
        seen: dict[str, bool] = {}
        for value, end, thorough in self._candidates:
            if value not in seen:
                same = same_by_fast_compare(reference.gold, value)
                if same is None and thorough:
                    same = (await self._verifier.compare(reference.gold, Answer(value, "boxed"))).result == "equal"
                seen[value] = bool(same)
            if seen[value]:
                return end
        return None


def candidates(text: str) -> tuple[Candidate, ...]:
    """The values that a text states, in its order: boxes, `the answer is …`, right-hand sides, `that is 12`."""
    return tuple(sorted(_candidates(text), key=lambda candidate: candidate.end))


def _candidates(text: str) -> Iterator[Candidate]:
    for value, end in boxed(text):
        yield Candidate(value, end, thorough=True)
    for match in _STATED.finditer(text):
        yield Candidate(_WRAPPING.sub("", match["value"]).strip(), match.end("value"), thorough=True)
    for match in _RIGHT_HAND_SIDE.finditer(text):
        yield Candidate(_WRAPPING.sub("", match["value"]).strip(), match.end("value"), thorough=False)
    for match in _NUMBER_SAID.finditer(text):
        yield Candidate(match["value"].rstrip(","), match.end("value"), thorough=False)
