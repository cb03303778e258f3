"""Descriptions of how a prompt was changed on its way to a model: the usual changes by templates and servers."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from offtraj.model.encoding import difference
from offtraj.model.prompt import Prompt
from offtraj.model.trajectory import Delimiters

__all__ = ["SECOND_BOS", "changes", "describe"]

SECOND_BOS = "there is a second BOS"
_EMPTY_BLOCK = "an empty think block is put before the prefix"
_SECOND_OPENING = "the opening delimiter is there twice"
_TRIMMED = "white space at the end is trimmed"
_COMPOSED = "characters are composed (NFC)"
_DROPPED = "the thinking is dropped"


def changes(prompt: Prompt, seen: str, delimiters: Delimiters, bos: str | None) -> tuple[str, ...]:
    """The changes that turned a prompt's text into the text that was seen; empty where they are equal.

    Args:
        prompt: The prompt that was sent.
        seen: The text that the model was given.
        delimiters: The delimiters of its thinking.
        bos: The tokenizer's BOS.
    """
    if seen == prompt.text:
        return ()
    found = []
    if bos and prompt.text.startswith(bos) and seen.startswith(bos * 2):
        found.append(SECOND_BOS)
        seen = seen.removeprefix(bos)
    turn = prompt.thinking
    head = prompt.text.removesuffix(turn)
    tag, close = delimiters.open.rstrip("\n"), delimiters.close
    if tag and seen.startswith(head + tag):
        block, there, behind = seen[len(head + tag) :].partition(close)
        if there and not block.strip() and behind.lstrip("\n").startswith(tag):
            found.append(_EMPTY_BLOCK)
            seen = head + behind.lstrip("\n")
        elif block.lstrip("\n").startswith(tag) and not turn.removeprefix(tag).lstrip("\n").startswith(tag):
            found.append(_SECOND_OPENING)
            seen = head + seen[len(head + tag) :].lstrip("\n")
    wanted = prompt.text
    if seen != wanted and seen == unicodedata.normalize("NFC", wanted):
        found.append(_COMPOSED)
    elif seen != wanted and seen == unicodedata.normalize("NFC", wanted.rstrip()):
        found += [_TRIMMED] if unicodedata.is_normalized("NFC", wanted) else [_TRIMMED, _COMPOSED]
    elif seen != wanted and turn and turn[len(delimiters.open) :].strip()[:5] not in seen[len(head) - 1 :]:
        found.append(_DROPPED)
    elif seen != wanted:
        found.append(f"it is changed, {difference(wanted, seen)}")
    return tuple(found)


def describe(found: Mapping[str, Sequence[str]]) -> str:
    """One sentence that names each change once, with the kinds of prompts that it affected."""
    kinds: dict[str, list[str]] = {}
    for kind, several in found.items():
        for change in several:
            kinds.setdefault(change, []).append(kind)
    return "; ".join(f"{change}{_where(those, found)}" for change, those in kinds.items())


def _where(those: Sequence[str], found: Mapping[str, Sequence[str]]) -> str:
    if len(those) == len(found):
        return ""
    if len(those) > len(found) / 2:
        return f" (all but: {', '.join(kind for kind in found if kind not in those)})"
    return f" ({', '.join(those)})"
