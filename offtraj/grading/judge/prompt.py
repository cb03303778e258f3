"""The judge's prompt: the paper's (appendix B), filled with a student answer that cannot give instructions.

Sending it is left to `judge`, reading the reply to `reply`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

from offtraj.model.completion import Message

__all__ = ["harmless", "judge_messages", "worth_judging"]

_LONGEST = 2000  # characters of a student answer; of a longer one the end is kept, which states the answer
_PLACEHOLDER = re.compile(r"\{(problem|standard_answer|student_answer)\}")
_CLOSED_THINKING = re.compile(r".*(?:</think(?:ing)?>|<\|end_of_thought\|>)", re.DOTALL | re.IGNORECASE)
# The tags that a reply is read by, and texts that a chat template turns into special tokens.
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
    """The paper's prompt as chat messages, with its placeholders filled in one pass.

    Args:
        question: As published.
        gold: The standard answer, as published, with its unit.
        answer: The student answer; made harmless here.
    """
    values = {"problem": question, "standard_answer": gold, "student_answer": harmless(answer)}
    system, user = _template()
    return (
        Message("system", system),
        Message("user", _PLACEHOLDER.sub(lambda match: values[match[1]], user)),
    )


def harmless(answer: str) -> str:
    """A student answer without its thinking, and with nothing that a judge or a chat template takes for an instruction.

    The angle brackets of tags and chat tokens and the marks of headings are replaced, control and bidirectional
    characters are removed, and of a long answer the last 2,000 characters are kept.
    """
    text = _CLOSED_THINKING.sub("", answer)
    text = "".join(map(_visible, text)).strip()
    text = _TAG.sub(lambda match: {"<": "‹", ">": "›", "[": "⟦", "<<": "‹‹"}[match[0]], text)
    text = _HEADING.sub("- ", text)
    return text if len(text) <= _LONGEST else "… " + text[-_LONGEST:]


def worth_judging(answer: str) -> bool:
    """Whether an answer is sent to the judge: empty and generic answers are not."""
    text = harmless(answer)
    plain = re.sub(r"\\(?:boxed|fbox|text|mathrm)(?![A-Za-z])|[\s\\${}()\[\]*.…,:;!?_-]+", " ", text).strip().lower()
    return plain not in _EMPTY and any(c.isalnum() for c in text)


def _visible(character: str) -> str:
    if character in "\n\t":
        return character
    if character in "＜＞":  # some tokenizers map these to the ASCII brackets
        return "‹" if character == "＜" else "›"
    return "" if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Cn") else character


@cache
def _template() -> tuple[str, str]:
    text = files("offtraj.grading.judge").joinpath("prompt.txt").read_text(encoding="utf-8")
    system, _, user = text.partition("### User Prompt\n")
    return system.removeprefix("### System Prompt\n").strip(), user.strip()
