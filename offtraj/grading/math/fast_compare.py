r"""Comparison of single values without algebra: equal text, numbers, quantities, numerals with a base, times, words.

It also names the classes in which algebra is not reliable: math-verify drops what it cannot read, and finds values
equal that differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from offtraj.grading.math.notation import LONGEST
from offtraj.grading.math.number import number

__all__ = ["DIFFERENT", "EQUAL", "Comparison", "compare_special_forms", "doubt", "same_value"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rule's result on an answer and its gold answer."""

    result: Literal["equal", "different", "undecided"]
    reason: str = ""
    """Why it is undecided; else empty. Failures: `timeout`, `crash`, `memory`, `recursion`, `unreadable_gold`,
    `too_long`. Equal apart from something whose importance the rule cannot tell: `units`, `percent`, `base`,
    `ratio_or_time`, `letters`, `case`, `text`, `prime`, `spaced_numbers`, `rounding`, `list_or_tuple`, `guess`."""


EQUAL, DIFFERENT = Comparison("equal"), Comparison("different")

_TOKEN = re.compile(r"\\[A-Za-z]+|\d+|\S")  # TeX's tokens: a space only ends a command or number
_DECIMAL = re.compile(r"-?\d*\.(?P<places>\d{6,})")
_BASE = re.compile(r"(?P<digits>\d[0-9A-Fa-f]*)_(?:\{?(?:\\text ?\{)?(?P<base>\d+|[a-z]+)\}*)")
_COLON = re.compile(r"\d+(?:\.\d+)?(?::\d+(?:\.\d+)?)+")
_WORDS = re.compile(r"(?P<bare>[A-Za-z][A-Za-z' -]*)|\\text ?\{(?P<text>[^{}]*)\}|\((?P<option>[A-Za-z])\)")
_LETTER_BEHIND = re.compile(r"(?P<value>.*[\d}) ]) ?(?P<letter>[A-Za-z])")
_MOST_WORDS = 3  # of an answer in words; more are a sentence, which a response does not repeat word by word
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")


def same_value(gold: str, answer: str, tolerance: Fraction | None = None) -> Comparison | None:
    """Equal, different or undecided where that takes no algebra; else `None`.

    Args:
        gold: One value in `normalise`'s notation, without its unit.
        answer: The same.
        tolerance: Largest accepted absolute difference of numbers.
    """
    if gold == answer or _TOKEN.findall(gold) == _TOKEN.findall(answer):
        return EQUAL
    if max(len(gold), len(answer)) > LONGEST:
        return Comparison("undecided", "too_long")
    one, other = number(gold), number(answer)
    if one is not None and other is not None:
        close = abs(one - other) <= (tolerance or 0) or _rounded(gold, answer, one, other)
        return EQUAL if close else DIFFERENT
    return _bases(gold, answer) or _colons(gold, answer) or _words(gold, answer) or _trailing(gold, answer)


def compare_special_forms(text: str) -> bool:
    """Whether another way of writing this value can be found equal without algebra."""
    if _WORDS.fullmatch(text):
        return len(text.split()) <= _MOST_WORDS
    return number(text) is not None or any(pattern.fullmatch(text) for pattern in (_BASE, _COLON))


def doubt(gold: str, answer: str) -> str | None:
    """Why two values that algebra finds equal may differ; `None` when algebra is reliable on them."""
    for reason, mark in (
        ("base", r"\d_"),
        ("ratio_or_time", r":"),
        ("spaced_numbers", r"(?<![_\d.])\d[\d.]* \d"),
        ("prime", r"\d'"),
        ("rounding", r"\\approx|\\sim(?![a-z])"),
    ):
        if re.search(mark, gold) or re.search(mark, answer):
            return reason
    if _TEXT.findall(gold) != _TEXT.findall(answer):
        return "text"
    return None


def _rounded(gold: str, answer: str, one: Fraction, other: Fraction) -> bool:
    """Whether one is a fraction and the other its decimal, rounded to six or more places."""
    for text, value, exact, exact_text in ((answer, other, one, gold), (gold, one, other, answer)):
        decimal = _DECIMAL.fullmatch(text)
        if decimal and "." not in exact_text and round(exact, len(decimal["places"])) == value != 0:
            return True
    return False


def _bases(gold: str, answer: str) -> Comparison | None:
    one, other = _BASE.fullmatch(gold), _BASE.fullmatch(answer)
    if one is None and other is None:
        return None
    if one is not None and other is not None:
        same = one["digits"].lower() == other["digits"].lower() and one["base"] == other["base"]
        worth = _worth(one)
        return EQUAL if same else Comparison("undecided", "base") if worth and worth == _worth(other) else DIFFERENT
    with_base, plain = (one, answer) if one is not None else (other, gold)
    assert with_base is not None
    if number(plain) is None:
        return None
    stripped = with_base["digits"].lower() == plain.lower()
    return Comparison("undecided", "base") if stripped or _worth(with_base) == number(plain) else DIFFERENT


def _worth(numeral: re.Match[str]) -> int | None:
    try:
        return int(numeral["digits"], int(numeral["base"]))
    except ValueError:
        return None


def _colons(gold: str, answer: str) -> Comparison | None:
    """Times and ratios: `12:30` and `2:5` are equal as ratios and different as times."""
    if not (_COLON.fullmatch(gold) and _COLON.fullmatch(answer)):
        return None
    one, other = ([Fraction(part) for part in text.split(":")] for text in (gold, answer))
    if one == other:
        return EQUAL
    proportional = len(one) == len(other) and all(a * other[0] == b * one[0] for a, b in zip(one, other, strict=True))
    return Comparison("undecided", "ratio_or_time") if proportional else DIFFERENT


def _words(gold: str, answer: str) -> Comparison | None:
    one, other = _WORDS.fullmatch(gold), _WORDS.fullmatch(answer)
    if one is None or other is None:
        return None
    said, given = (_plain(match) for match in (one, other))
    if said.casefold() == given.casefold():
        bare = one["bare"] is not None and other["bare"] is not None
        return Comparison("undecided", "case") if bare and len(said) == 1 else EQUAL
    in_words = any(match["text"] is not None or match["option"] or " " in match[0] for match in (one, other))
    return DIFFERENT if in_words else None  # `xy` and `yx` are products


def _plain(match: re.Match[str]) -> str:
    text = match["bare"] or match["text"] or match["option"] or ""
    text = " ".join(text.split()).rstrip(".")
    text = re.sub(r"^(?:an?|the) (?=\w)", "", text, flags=re.IGNORECASE)
    return text[1:-1] if re.fullmatch(r"\([A-Za-z]\)", text) else text


def _trailing(gold: str, answer: str) -> Comparison | None:
    """A number with one letter behind it, against the same number without: the letter is a unit or a variable."""
    for with_letter, plain in ((gold, answer), (answer, gold)):
        match = _LETTER_BEHIND.fullmatch(with_letter)
        if match and (value := number(match["value"].strip())) is not None and value == number(plain):
            spaced = match["value"].endswith(" ")
            return Comparison("undecided", "units" if spaced else "letters")
    return None
