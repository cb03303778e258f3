"""A trajectory: a model's thinking about a question, and the answer after it.

A response is split into four pieces whose concatenation is the response, byte for byte. Cutting a trajectory is left
to `offtraj_builders.cut`, grading its answer to `offtraj.grading`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

__all__ = [
    "AUTO",
    "NONE",
    "S1",
    "THINK",
    "THOUGHT",
    "Delimiters",
    "Trajectory",
    "continued_answer",
    "first_paragraph",
    "split",
]


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The strings before and after a model's thinking. Both empty: it thinks and answers in one text."""

    open: str
    close: str


THINK = Delimiters("<think>\n", "</think>")
"""DeepSeek-R1, QwQ, Qwen3 and most others."""
THOUGHT = Delimiters("<|begin_of_thought|>\n\n", "<|end_of_thought|>")
"""Sky-T1 and others: a solution between delimiters of its own follows."""
S1 = Delimiters("think\n", "\nanswer\n")
"""s1: a line `think` opens, a line `answer` closes."""
NONE = Delimiters("", "")
"""No delimiters: the whole response is thinking and contains the answer (LIMO)."""
AUTO = (THINK, THOUGHT, S1)
"""The delimiters that a response of unknown style is searched for, in this order."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A response (paper: r and a) in four pieces: `opening + thinking + closing + answer`."""

    opening: str
    """The part of the opening delimiter that the model wrote; a chat template may have written the rest."""
    thinking: str
    """The text between the delimiters, unchanged (paper: r)."""
    closing: str
    """The closing delimiter; empty where the thinking never ends."""
    answer: str
    """Everything after the closing delimiter (paper: a); empty where the thinking never ends."""

    @property
    def response(self) -> str:
        """Everything the model wrote."""
        return self.opening + self.thinking + self.closing + self.answer

    @property
    def closed(self) -> bool:
        """Whether the thinking ends. Never true for a model without delimiters."""
        return bool(self.closing)


def split(response: str, delimiters: Delimiters | None = None) -> Trajectory:
    r"""Split a response at its thinking delimiters; nothing is stripped.

    The newlines of the opening delimiter belong to it, however much of it the model wrote: of
    `<think>\nOkay`, `\nOkay` and `Okay` the thinking is `Okay`. The thinking ends at the *first*
    closing delimiter.

    Args:
        response: Everything the model wrote after the prompt.
        delimiters: The model's own; `None` takes those of `AUTO` that the response shows, and a
            response that shows none is unfinished thinking.
    """
    if delimiters is None:
        delimiters = next(_shown_by(response), THINK)
    if delimiters == NONE:
        return Trajectory("", response, "", "")
    start = _opening_length(response, delimiters.open)
    end = response.find(delimiters.close, start)
    if end < 0:
        return Trajectory(response[:start], response[start:], "", "")
    stop = end + len(delimiters.close)
    return Trajectory(response[:start], response[start:end], delimiters.close, response[stop:])


def _shown_by(response: str) -> Iterator[Delimiters]:
    yield from (d for d in AUTO if response.startswith(d.open.rstrip("\n")) and d is not S1)
    if response.startswith(S1.open):
        yield S1
    # Without `think` before it, `\nanswer\n` is an ordinary line.
    closed = {d: at for d in (THINK, THOUGHT) if (at := response.find(d.close)) >= 0}
    yield from sorted(closed, key=closed.__getitem__)


def _opening_length(response: str, opening: str) -> int:
    """Characters of the opening delimiter that the response begins with: all of it, or its newlines."""
    tag = opening.rstrip("\n")
    newlines = len(opening) - len(tag)
    start = len(tag) if tag and response.startswith(tag) else 0
    return start + len(list(takewhile(lambda c: c == "\n", response[start : start + newlines])))


def first_paragraph(text: str) -> int | None:
    """End of the first paragraph that is not blank, in characters (paper, section 3.2, finding 3).

    `None` where no blank line ends it: the text is one paragraph.
    """
    match = re.search(r"\S(?=[^\S\n]*\n[^\S\n]*\n)", text)
    return match.end() if match else None


def continued_answer(completion: str, delimiters: Delimiters, *, closed: bool) -> str | None:
    """The answer in the completion of a prefix; `None` when the thinking never ends.

    Args:
        completion: The model's text after the prefix.
        delimiters: The model's delimiters.
        closed: Whether the prefix ends the thinking (answer-forcing).
    """
    if closed or delimiters == NONE:
        return completion
    _, delimiter, answer = completion.partition(delimiters.close)
    return answer if delimiter else None
