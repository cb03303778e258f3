r"""A value and its unit: `5\text{ km}`, `30^\circ`, `\$18.90`, `50\%`.

A unit is recognised only where it cannot be a variable: in `\text{…}`, as a sign, or as a known word of several
letters. `4s` is four times s.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["PERCENT", "Quantity", "quantity", "unit_name"]

PERCENT = "%"


class Quantity(NamedTuple):
    """A text in `normalise`'s notation, as value and unit."""

    value: str
    unit: str | None
    """The unit in one spelling; none for a value without a unit."""


_NAMES = {
    "mm": "mm millimeter millimetre", "cm": "cm centimeter centimetre", "m": "m meter metre",
    "km": "km kilometer kilometre", "in": "in inch inches", "ft": "ft foot feet", "yd": "yd yard", "mi": "mi mile",
    "mg": "mg milligram", "g": "g gram", "kg": "kg kilogram kilo", "lb": "lb lbs pound", "oz": "oz ounce",
    "s": "s sec second", "min": "min minute", "h": "h hr hrs hour", "day": "day", "week": "week", "year": "yr year",
    "cent": "cent cents ¢", "$": "$ dollar usd buck", "€": "€ euro eur", "£": "£", "l": "l liter litre",
    "ml": "ml milliliter millilitre", PERCENT: "% percent percentage pct", "degree": "° deg degree",
    "rad": "rad radian", "mph": "mph", "km/h": "km/h kmh kph km/hr", "unit": "unit", "hz": "hz hertz", "j": "j joule",
    "n": "n newton", "w": "w watt", "v": "v volt", "pa": "pa pascal", "mol": "mol mole", "k": "k kelvin",
}  # fmt: skip
_SPELLING = {spelling: name for name, spellings in _NAMES.items() for spelling in spellings.split()}
_MORE_THAN_A_UNIT = (
    "and or if when where any all not no none is are for than to but otherwise other with except less more false true"
    " yes mod wrong correct incorrect invalid undefined hundred thousand million billion trillion dozen half pair"
    " score st nd rd th"
)
_NO_UNIT = frozenset(_MORE_THAN_A_UNIT.split())
_POWER = {"square": "^2", "squared": "^2", "sq": "^2", "cubic": "^3", "cubed": "^3", "cu": "^3"}
_TAIL = re.compile(
    r"(?P<value>.*?\S)\s*(?:"
    r"\\text\s*\{(?P<text>[^{}]*)\}(?:\s*\^\{?(?P<power>-?\d)\}?)?"
    r"|(?P<degree>\^\\circ)\s*(?P<scale>[CFK])?"
    r"|(?P<percent>\\?%)"
    r"|(?<=[\d}\s)])(?P<word>[A-Za-z]{2,}(?:/[A-Za-z]+)?(?: [A-Za-z]{2,})?)(?:\s*\^\{?(?P<raised>\d)\}?)?"
    r")",
    re.DOTALL,
)
_COUNT = re.compile(r"\d[\d,.]* ?")
_CURRENCY = re.compile(r"(?P<sign>-?)\s*(?P<unit>\\\$|[$€£])\s*(?P<value>[\d.\\].*)", re.DOTALL)


@lru_cache(maxsize=4096)
def quantity(text: str) -> Quantity:
    """The value and unit of a text; a unit follows the value, a currency may also precede it."""
    head = _CURRENCY.fullmatch(text)
    if head is not None:
        inner = quantity(head["value"])
        name = _SPELLING[head["unit"].removeprefix("\\")]
        return Quantity(head["sign"] + inner.value, name if inner.unit in (None, name) else f"{name} {inner.unit}")
    tail = _TAIL.fullmatch(text)
    if tail is None or not _whole(tail["value"]):
        return Quantity(text, None)
    if tail["degree"] is not None:
        unit: str | None = "degree" + (tail["scale"] or "").lower()
    elif tail["percent"] is not None:
        unit = PERCENT
    elif tail["text"] is not None:
        unit = unit_name(tail["text"] + (f"^{tail['power']}" if tail["power"] else ""))
    else:  # a bare word: one that is known, or that can be no product of letters
        words = tail["word"].lower().split()
        known = all(_singular(part) in _SPELLING or part in _POWER for word in words for part in word.split("/"))
        known = known or (_COUNT.fullmatch(tail["value"]) is not None and all(len(word) > 3 for word in words))
        unit = unit_name(tail["word"] + (f"^{tail['raised']}" if tail["raised"] else "")) if known else None
    return Quantity(text, None) if unit is None else Quantity(tail["value"].strip(), unit)


def unit_name(text: str) -> str | None:
    """A unit in one spelling; `None` when the words are not a unit."""
    words = re.sub(r"\\text\s*\{([^{}]*)\}|[$\\{}()]", r"\1", text.replace("^\\circ", "°")).strip().strip(".").lower()
    if not words or len(words) > 40 or not re.fullmatch(r"[^\W\d_°%$][\w\s./^°%$¢*·-]*|[°%$¢]", words):
        return None
    parts = words.split()
    if len(parts) > 4 or _NO_UNIT.intersection(parts):
        return None
    power, names = "", []
    for part in parts:
        if part in _POWER:
            power = _POWER[part]
        else:
            names.append(_one(part))
    return (" ".join(names) or "unit") + power


def _one(word: str) -> str:
    """`metres/second` → `m/s`."""
    stem, caret, power = word.partition("^")
    name = _SPELLING.get(stem)
    if name is None:
        name = "/".join(_SPELLING.get(_singular(part), _singular(part)) for part in stem.split("/"))
        name = _SPELLING.get(name, name)
    return name + caret + power


def _singular(word: str) -> str:
    for plural in (word, word.removesuffix("s"), word.removesuffix("es")):
        if plural in _SPELLING:
            return plural
    return word.removesuffix("s") if len(word) > 3 else word


def _whole(value: str) -> bool:
    """Whether the text before a unit has balanced braces and does not end with an operator."""
    return value.count("{") == value.count("}") and value[-1] not in "=+-*/^_<>:,"
