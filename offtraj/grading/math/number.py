r"""Plain numbers, exactly: `1{,}000`, `-\frac{3}{4}`, `1 1/2`, `6.67\times10^{-11}`, `1.5e8`, `0.\overline{3}`.

Values that need algebra (roots, powers other than of ten, names) are left to math-verify.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

__all__ = ["number"]

_LONGEST = 1000  # characters
_LARGEST_EXPONENT = 1000
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.\d*)?|\.\d+)"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)\s*(?:"
    rf"(?P<decimal>{_DECIMAL})"
    rf"|(?P<whole>\d*)\.(?P<fixed>\d*)\\overline\{{(?P<repeated>\d+)\}}"
    rf"|(?P<mixed>\d+)?\s*\\frac\{{\s*(?P<above>[+-]?{_DECIMAL})\s*\}}\{{\s*(?P<below>[+-]?{_DECIMAL})\s*\}}"
    rf"|(?:(?P<units>\d+)[ -])?(?P<over>{_DECIMAL})\s*/\s*(?P<under>{_DECIMAL})"
    rf"|(?:(?P<mantissa>{_DECIMAL})\s*(?:\\times|\\cdot|\*)\s*)?10\^(?:\{{\s*(?P<power>[+-]?\d+)\s*\}}|(?P<digit>\d))"
    rf"|(?P<float>{_DECIMAL})\s*[eE]\s*(?P<exponent>[+-]?\d+)"
    rf")"
)


@lru_cache(maxsize=65536)
def number(text: str) -> Fraction | None:
    """The value of a text in `normalise`'s notation; `None` when it is not a plain number, or has a huge exponent."""
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    size = _size(match)
    return -size if size is not None and match["sign"] == "-" else size


def _size(match: re.Match[str]) -> Fraction | None:
    if match["decimal"] is not None:
        return _decimal(match["decimal"])
    if match["repeated"] is not None:
        whole, fixed, repeated = match["whole"] or "0", match["fixed"], match["repeated"]
        period = Fraction(int(repeated), 10 ** len(fixed) * (10 ** len(repeated) - 1))
        return _decimal(f"{whole}.{fixed}") + period
    if match["above"] is not None:
        return _ratio(match["mixed"], match["above"], match["below"])
    if match["over"] is not None:
        return _ratio(match["units"], match["over"], match["under"])
    power = int(match["power"] or match["digit"] or match["exponent"])
    if abs(power) > _LARGEST_EXPONENT:
        return None
    return _decimal(match["mantissa"] or match["float"] or "1") * Fraction(10) ** power


def _ratio(whole: str | None, above: str, below: str) -> Fraction | None:
    divisor = _decimal(below)
    return None if divisor == 0 else Fraction(whole or 0) + _decimal(above) / divisor


def _decimal(text: str) -> Fraction:
    return Fraction(text.replace(",", "").rstrip(".") or "0")
