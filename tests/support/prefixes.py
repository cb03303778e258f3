"""A hundred real prefixes, cut from recorded traces, of every kind that tends to be changed on its way."""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from offtraj.model.tokens import Tokens
from offtraj.model.trajectory import split

_FILES = ("aime25_dagmath", "mip", "aime_unloop", "skythought", "math500_atts_self", "aime25_r1probe")
_LONGEST = (
    600  # characters: with questions as long, prompts stay below 2048 tokens of a vocabulary as small as tests have
)


class RealPrefix(NamedTuple):
    """Something that a model wrote, up to somewhere."""

    kind: str
    question: str
    prefix: str
    source: str
    """The whole response or thinking that it begins."""


KINDS: dict[str, Callable[[str], bool]] = {
    "chinese": lambda text: re.search("[\u4e00-\u9fff]", text) is not None,
    "emoji": lambda text: re.search("[\U0001f300-\U0001faff\u2705\u274c]", text) is not None,
    "latex": lambda text: "\\frac{" in text and "\\(" in text,
    "trailing spaces": lambda text: re.search(r"\S +\Z", text) is not None,
    "trailing newlines": lambda text: text.endswith("\n\n"),
    "closing delimiter": lambda text: "</think>" in text and not text.endswith("</think>"),
    "decomposed": lambda text: not unicodedata.is_normalized("NFC", text),
    "within a character": lambda text: True,  # only its cut says so
    "plain": str.isascii,
}
"""What a prefix of each kind has."""

_ENDS = {
    "chinese": "[\u4e00-\u9fff].",
    "emoji": "[\U0001f300-\U0001faff\u2705\u274c].",
    "latex": r"\\frac\{.",
    "trailing spaces": r"\S +",
    "trailing newlines": "\n\n",
    "closing delimiter": r"</think>\s*\S",
    "decomposed": "[\u0300-\u036f].",
    "plain": r"\. ",
}


def hundred_prefixes(data: Path, tokens: Tokens) -> list[RealPrefix]:
    """A hundred prefixes of all kinds; `tokens` are those in the middle of whose characters some are cut."""
    responses = list(_responses(data))
    chosen = [prefix for kind, count in _COUNTS.items() for prefix in islice(_of(kind, responses, tokens), count)]
    more = (prefix for prefix in _of("plain", responses, tokens) if prefix not in chosen)
    return [*chosen, *islice(more, 100 - len(chosen))]


_IN_ANSWERS = ("closing delimiter", "emoji", "decomposed")  # kinds that are too rare in thinking
_COUNTS = {kind: 12 for kind in KINDS if kind != "plain"}


def _of(kind: str, responses: list[tuple[str, str]], tokens: Tokens) -> Iterator[RealPrefix]:
    for question, response in responses:
        source = response if kind in _IN_ANSWERS else split(response).thinking
        if kind == "within a character":
            end = _within_a_character(source, tokens)
        else:
            match = next(re.compile(_ENDS[kind], re.DOTALL).finditer(source, 20), None)
            end = None if match is None else match.end()
        if end is not None:
            # The last part of what comes before, so that it is as short as it need be.
            prefix = source[max(0, end - _LONGEST) : end]
            if KINDS[kind](prefix):
                yield RealPrefix(kind, question, prefix, source)


def _within_a_character(text: str, tokens: Tokens) -> int | None:
    """Where a cut at a number of tokens ends whose last token is not the last of its character."""
    spans = tokens.spans(text[:_LONGEST])
    for count in range(len(spans) // 3, len(spans)):
        if spans.starts[count] == spans.starts[count - 1]:
            return spans.end_of(count)
    return None


def _responses(data: Path) -> Iterator[tuple[str, str]]:
    for name in _FILES:
        with gzip.open(data / "traces" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if len(row["question"]) <= _LONGEST:
                    yield row["question"], row["response"]
