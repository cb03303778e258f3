"""Reading a judge's reply. A doubtful reply counts as unreadable: a wrong CORRECT is worse than no label.

Searching adversarial replies for CORRECT anywhere accepts most of them, and taking the first or last tag many. A
label is read only where the prompt asks for it, with nothing else there.
"""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Label", "read_reply"]

Label = Literal["correct", "wrong"]

_THINKING_ENDS = re.compile(r"</think(?:ing)?>|\[/THINK\]|<\|end_of_thought\|>|◁/think▷", re.IGNORECASE)
_THINKING_BEGINS = re.compile(r"<think(?:ing)?>|\[THINK\]|<\|begin_of_thought\|>|◁think▷", re.IGNORECASE)
_ANALYSIS_ENDS = re.compile(r"</\s*analysis\s*>", re.IGNORECASE)
_ANALYSIS_BEGINS = re.compile(r"<\s*analysis\b", re.IGNORECASE)
_LABEL = r"<judge>\s*(?P<label{n}>CORRECT|WRONG)\s*</judge>"
_VERDICT = re.compile(
    r"(?:\s|[*`_#:>-]|correctness|label|verdict|judg(?:e|ment|ement)|final|xml|html|text)*"  # a heading, a fence
    + _LABEL.format(n=1)
    + r"(?:\s*<judge>\s*(?P=label1)\s*</judge>)*"
    + r"[\s*`]*",
    re.IGNORECASE,
)


def read_reply(reply: str | None, finish_reason: str | None) -> Label | None:
    """The label of a reply; `None` when it cannot be read.

    A reply is readable when it ended by itself, its thinking and analysis are closed, and only labels that agree
    follow them.
    """
    if not reply or finish_reason != "stop":
        return None
    *_, text = _THINKING_ENDS.split(reply)
    if _THINKING_BEGINS.search(text):
        return None
    *_, text = _ANALYSIS_ENDS.split(text)
    if _ANALYSIS_BEGINS.search(text):
        return None
    match = _VERDICT.fullmatch(text)
    if match is None:
        return None
    return "correct" if match["label1"].upper() == "CORRECT" else "wrong"
