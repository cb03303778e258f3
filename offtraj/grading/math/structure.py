r"""The structure of an answer: one value, several, a tuple, an interval, a union of intervals.

An assignment (`x = 5`, `f(x) = x^2`, `x \in [0, 1]`) is its right side, with the name kept; an inequality in one
variable is the interval that it describes. Comparing the values at the leaves is left to `rule`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from offtraj.grading.math.notation import split_top, wrapped
from offtraj.grading.math.number import number
from offtraj.grading.math.quantity import quantity

__all__ = ["Structure", "read"]

Kind = Literal["one", "list", "set", "ordered", "union"]


@dataclass(frozen=True, slots=True)
class Structure:
    """An answer in `normalise`'s notation, as a tree."""

    kind: Kind
    text: str
    """The whole text, including the name of an assignment."""
    value: str
    """The text without the name."""
    parts: tuple[Structure, ...] = ()
    """The values of a list, set or union; the ends of an interval."""
    brackets: str = ""
    """The brackets of a tuple or interval: `()`, `[)` …"""
    name: str | None = None
    """The name that the value is assigned to, or the variable of an inequality."""
    relation: bool = False
    """Whether it is an equation or inequality that is not an assignment."""


_SEPARATOR = re.compile(r",|;|\\text ?\{ ?,? ?(?:and|or) ?\}|(?<![A-Za-z\\{])(?:and|or)(?![A-Za-z])", re.IGNORECASE)
_OR = re.compile(r"(?<![A-Za-z])or(?![A-Za-z])", re.IGNORECASE)
_CUP = re.compile(r"\\cup(?![A-Za-z])")
_RELATION = re.compile(r"\\(?:le|ge|ne)(?![A-Za-z])|[<>]|(?<![\\:!<>])=")
_EQUALS = re.compile(r"(?<![\\:!<>])=(?!=)|\\in(?![A-Za-z])")
_NAME = re.compile(
    r"(?:[A-Za-z]|[A-Z]{2,}|[A-Za-z]{3,}|\\text ?\{[^{}]*\}|\\(?!infty|pi(?![a-z]))[A-Za-z]+|\\angle ?[A-Za-z_0-9 ]+)"
    r"(?:_(?:\w|\{[^{}]*\}))?'*(?:\([A-Za-z0-9,_ \\]*\))?"
)
_FLIPPED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le", r"\ne": r"\ne"}
_REALS = frozenset({r"\mathbb{R}", r"\R", r"\text{all real numbers}", r"\text{all reals}", "all real numbers"})
_DEEPEST = 6


@lru_cache(maxsize=4096)
def read(text: str, depth: int = 0) -> Structure:
    """The structure of an answer in `normalise`'s notation."""
    if depth > _DEEPEST or number(text) is not None or number(quantity(text).value) is not None:
        return Structure("one", text, text)
    if text in _REALS:
        return _interval("(", r"-\infty", r"\infty", ")", text, depth)
    inner = wrapped(text, "(", ")")
    if inner is not None and len(split_top(inner, _SEPARATOR)) == 1 and not inner.isalpha():
        return replace(read(inner, depth + 1), text=text)
    pieces = [piece for piece in split_top(text, _SEPARATOR) if piece]
    if len(pieces) > 1:
        parts = tuple(read(piece, depth + 1) for piece in pieces)
        if _OR.search(text) and all(part.kind in ("ordered", "union") for part in parts):
            flat = tuple(one for part in parts for one in (part.parts if part.kind == "union" else (part,)))
            names = {part.name for part in parts}
            return Structure("union", text, text, flat, name=names.pop() if len(names) == 1 else None)
        return Structure("list", text, text, _flat(parts))
    return _bracketed(text, depth) or _related(text, depth) or _single(text)


def _bracketed(text: str, depth: int) -> Structure | None:
    inner = wrapped(text, r"\{", r"\}")
    if inner is not None:
        if re.search(r"\\mid|\||:", inner):
            return None
        if not inner.strip():
            return Structure("one", r"\emptyset", r"\emptyset")
        inside = read(inner.strip(), depth + 1)
        return Structure("set", text, text, inside.parts if inside.kind == "list" else (inside,))
    pieces = split_top(text, _CUP)
    if len(pieces) > 1:
        return Structure("union", text, text, tuple(read(piece, depth + 1) for piece in pieces))
    if text[:1] in ("(", "[") and text[-1:] in (")", "]"):
        inside_text = text[1:-1]
        if wrapped(f"({inside_text})", "(", ")") is not None:
            pieces = split_top(inside_text, _SEPARATOR)
            if len(pieces) > 1:
                parts = tuple(read(_unsigned(piece), depth + 1) for piece in pieces)
                return Structure("ordered", text, text, parts, brackets=text[0] + text[-1])
    return None


def _related(text: str, depth: int) -> Structure | None:
    """An assignment, an inequality, or an equation."""
    sides = split_top(text, _EQUALS)
    if len(sides) > 1 and all(sides) and not re.search(r"[<>]|\\[lgn]e(?![A-Za-z])", text):
        first, last = sides[0], sides[-1]
        if not _NAME.fullmatch(first) and _NAME.fullmatch(last) and number(first) is not None:
            first, last = last, first
        if _NAME.fullmatch(first):
            return replace(read(last, depth + 1), text=text, name=first)
        return Structure("one", text, text, relation=True)
    operators = _RELATION.findall(text)
    if not operators or "=" in operators:
        return Structure("one", text, text, relation=True) if operators else None
    sides = split_top(text, _RELATION)
    if len(sides) != len(operators) + 1 or not all(sides):
        return Structure("one", text, text, relation=True)
    return _inequality(sides, operators, text, depth) or Structure("one", text, text, relation=True)


def _inequality(sides: list[str], operators: list[str], text: str, depth: int) -> Structure | None:
    if len(sides) == 3 and _NAME.fullmatch(sides[1]):
        low, name, high = sides
        if all(operator in (">", r"\ge") for operator in operators):
            low, high, operators = high, low, [_FLIPPED[operator] for operator in reversed(operators)]
        if not all(operator in ("<", r"\le") for operator in operators):
            return None
        opening, closing = "(" if operators[0] == "<" else "[", ")" if operators[1] == "<" else "]"
        return replace(_interval(opening, low, high, closing, text, depth), name=name)
    if len(sides) != 2:
        return None
    (left, right), operator = sides, operators[0]
    if not _NAME.fullmatch(left):
        left, right, operator = right, left, _FLIPPED[operator]
    if not _NAME.fullmatch(left) or re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", right)):
        return None
    if operator == r"\ne":
        below = _interval("(", r"-\infty", right, ")", "", depth)
        above = _interval("(", right, r"\infty", ")", "", depth)
        return Structure("union", text, text, (below, above), name=left)
    if operator in ("<", r"\le"):
        found = _interval("(", r"-\infty", right, ")" if operator == "<" else "]", text, depth)
    else:
        found = _interval("(" if operator == ">" else "[", right, r"\infty", ")", text, depth)
    return replace(found, name=left)


def _interval(opening: str, low: str, high: str, closing: str, text: str, depth: int) -> Structure:
    ends = (read(_unsigned(low), depth + 1), read(_unsigned(high), depth + 1))
    return Structure("ordered", text or f"{opening}{low},{high}{closing}", text, ends, brackets=opening + closing)


def _single(text: str) -> Structure:
    r"""One value, or the two of `\pm`."""
    if text.count(r"\pm") == 1 and "\\mp" not in text:
        both = tuple(_signed(text, sign) for sign in "+-")
        return Structure("list", text, text, tuple(Structure("one", one, one) for one in both))
    return Structure("one", text, text)


def _signed(text: str, sign: str) -> str:
    before, _, after = text.partition(r"\pm")
    return before + ("" if sign == "+" and not before else sign) + after.lstrip()


def _unsigned(text: str) -> str:
    return text.removeprefix("+")


def _flat(parts: tuple[Structure, ...]) -> tuple[Structure, ...]:
    r"""The parts of a list, in which `1 \pm \sqrt2` counts as two."""
    return tuple(one for part in parts for one in (part.parts if part.kind == "list" else (part,)))
