"""What a judge is asked: the paper's prompt (appendix B), with a student's answer that cannot give orders.

Who is asked, and what becomes of the reply, is left to `judge` and `judge_reply`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

from offtraj.model.completion import Message

__all__ = ["harmless", "judge_messages", "worth_judging"]

_LONGEST = 2000  # characters of a student's answer: its end, where the answer stands
_PLACEHOLDER = re.compile(r"\{(problem|standard_answer|student_answer)\}")
_CLOSED_THINKING = re.compile(r".*(?:</think(?:ing)?>|<\|end_of_thought\|>)", re.DOTALL | re.IGNORECASE)
# What a judge's reply is read by, and what a chat template would turn into a token of its own.
_TAG = re.compile(
    r"<(?=\s*/?\s*(?:judge|analysis|think|thinking|answer|system|user|assistant|human|start_of_turn|end_of_turn|bos|eos|"
    r"pad|s|im_start|im_end|endoftext)\b)|<(?=\||｜)|(?<=[|｜])>|<<(?=/?SYS)|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL)\b)",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[ \t]*(?:#+[ \t]*|(?=(?:problem|standard answer|student answer|system(?: prompt)?|user(?: prompt)?|assistant|"
    r"short analysis|correctness|label|note)\s*:))",
    re.IGNORECASE | re.MULTILINE,
)
_EMPTY = frozenset(
    (
        "", "answer", "your answer", "the answer", "final answer", "your final answer", "result", "correct", "wrong",
        "i do not know", "i don't know", "unknown", "not sure", "cannot be determined from this", "n/a", "na", "tbd",
        "see above", "as above", "as shown above", "the above", "any value", "anything", "all of the above",
    )
)  # fmt: skip


def judge_messages(question: str, gold: str, answer: str) -> tuple[Message, ...]:
    """The paper's prompt as chat messages, its placeholders filled in one pass.

    Args:
        question: As published.
        gold: The standard answer, as published.
        answer: The student's; made harmless here.
    """
    values = {"problem": question, "standard_answer": gold, "student_answer": harmless(answer)}
    system, user = _template()
    return (
        Message("system", system),
        Message("user", _PLACEHOLDER.sub(lambda match: values[match[1]], user)),
    )


def harmless(answer: str) -> str:
    """A student's answer without its thinking, and with nothing that a judge or a chat template obeys.

    Tags and chat tokens lose their angle brackets, headings their mark; control and bidirectional
    characters go; of a long answer the end stays.
    """
    text = _CLOSED_THINKING.sub("", answer)
    text = "".join(map(_visible, text)).strip()
    text = _TAG.sub(lambda match: {"<": "‹", ">": "›", "[": "⟦", "<<": "‹‹"}[match[0]], text)
    text = _HEADING.sub("- ", text)
    return text if len(text) <= _LONGEST else "… " + text[-_LONGEST:]


def worth_judging(answer: str) -> bool:
    """Whether there is anything to be judged: an empty or generic answer is never sent."""
    text = harmless(answer)
    plain = re.sub(r"\\(?:boxed|fbox|text|mathrm)(?![A-Za-z])|[\s\\${}()\[\]*.…,:;!?_-]+", " ", text).strip().lower()
    return plain not in _EMPTY and any(c.isalnum() for c in text)


def _visible(character: str) -> str:
    if character in "\n\t":
        return character
    if character in "＜＞":  # which some tokenizers fold into the plain ones
        return "‹" if character == "＜" else "›"
    return "" if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Cn") else character


@cache
def _template() -> tuple[str, str]:
    text = files("offtraj.grading.judge").joinpath("prompt.txt").read_text(encoding="utf-8")
    system, _, user = text.partition("### User Prompt\n")
    return system.removeprefix("### System Prompt\n").strip(), user.strip()
