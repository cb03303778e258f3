r"""One notation for the many in which answers are written: unicode, spacing, number formats, synonyms of LaTeX.

`normalise` changes how an answer is written and not its meaning: no unit, letter, subscript or bracket is dropped.
Its result is used for comparison only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

__all__ = ["LONGEST", "normalise", "split_top", "wrapped"]

LONGEST = 4000
"""Characters of the longest answer that is normalised; a longer one is compared as it stands."""
_PASSES = 8  # three are enough for each of a million random texts

_SYMBOLS = {
    "π": r"\pi ", "∞": r"\infty ", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "÷": "/",
    "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "±": r"\pm ",
    "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset ", "∈": r"\in ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "°": r"^\circ ", "º": r"^\circ ",
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-", "－": "-", "⁄": "/", "∕": "/",
    "′": "'", "’": "'", "…": r"\ldots ", "％": r"\%", "﹪": r"\%", "⟨": r"\langle ", "⟩": r"\rangle ",
    "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\epsilon ", "θ": r"\theta ",
    "λ": r"\lambda ", "μ": r"\mu ", "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "φ": r"\phi ",
    "ψ": r"\psi ", "ω": r"\omega ", "Δ": r"\Delta ", "Ω": r"\Omega ", "Σ": r"\Sigma ",
}  # fmt: skip
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_RUN = re.compile(f"(?P<up>[{''.join(_RAISED)}]+)|(?P<down>[{''.join(_LOWERED)}]+)")
_ROOT = re.compile(r"√\s*(?:\((?P<group>[^()]*)\)|(?P<plain>\d+(?:\.\d+)?|[^\W\d_])|(?=\{))")

_SPACING = re.compile(
    r"(?<!\\)\\[,;: ]|\\(?:quad|qquad|thinspace|enspace|space|nobreakspace|hspace\{[^{}]*\})(?![A-Za-z])|~"
)
_NOTHING = re.compile(
    r"\\!|\\(?:left|right|mleft|mright|middle|displaystyle|textstyle|limits|[bB]igg?[lrm]?)(?![A-Za-z])\.?|\*\*"
)
_MATH = re.compile(r"(?<!\\)(?:\$\$?|\\[()\[\]])")
_FONT = re.compile(r"\\(?:mathbf|mathit|mathsf|mathnormal|boldsymbol|bm|pmb)\s*(?=\{)")
_TEXT = re.compile(r"\\(?:mathrm|textbf|textit|textrm|textnormal|textsf|texttt|mbox|hbox|operatorname\*?)\s*(?=\{)")
_SYNONYM = re.compile(
    r"\\(?P<name>[dtc]frac|varnothing|leq(?:slant)?|geq(?:slant)?|neq|lt|gt|lbrace|rbrace|lbrack|rbrack|degree|"
    r"dots|cdots|bar|infin|lor|wedge|land|vee|pounds|lvert|rvert|vert|langle|rangle)(?![A-Za-z])"
)
_PLAIN = {
    "dfrac": r"\frac", "tfrac": r"\frac", "cfrac": r"\frac", "varnothing": r"\emptyset", "leq": r"\le",
    "leqslant": r"\le", "geq": r"\ge", "geqslant": r"\ge", "neq": r"\ne", "lt": "<", "gt": ">", "lbrace": r"\{",
    "rbrace": r"\}", "lbrack": "[", "rbrack": "]", "degree": r"^\circ", "dots": r"\ldots", "cdots": r"\ldots",
    "bar": r"\overline", "infin": r"\infty", "lor": r"\text{ or }", "vee": r"\text{ or }", "wedge": r"\text{ and }",
    "land": r"\text{ and }", "pounds": "£", "lvert": "|", "rvert": "|", "vert": "|",
    "langle": "(", "rangle": ")",
}  # fmt: skip
_CIRCLE = re.compile(r"\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))\s*")
_FRACTION = re.compile(r"\\frac\s*(?:(?P<a>\d)|(?P<b>\{[^{}]*\}))\s*(?:(?P<c>\d)|(?P<d>\{[^{}]*\}))")
_MODULE = re.compile(r"(?<![A-Za-z\\])(?:np|math)\.(?=[a-z])")
_TEXT_NUMBER = re.compile(r"\\text ?\{ ?(-?\d[\d.,/ -]*)\}|^\\text ?\{ ?(?=-?\d)([^{}]*)\}$")
_COMMA = re.compile(r"\{\s*,\s*\}")
_GROUPS = re.compile(r"(?<![\d.,])(?:\d{1,3})(?: \d{3})+(?![\d]| \d)")
_SCRIPT = re.compile(r"([_^]) ?(?:(\d)(?!\d)|([A-Za-z]))")
_NAMED = re.compile(r"_ ?\{ ?\\text ?\{ ?([A-Za-z0-9]+) ?\} ?\}")
_SPACE = re.compile(r"\s+")
_IDLE_SPACE = re.compile(r" (?![A-Za-z0-9.])|(?<![A-Za-z0-9.]) ")
_COMMAND_SPACE = re.compile(r"(\\[A-Za-z]+) (?![A-Za-z])")
_NUMBER = re.compile(r"-?\d+")


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """An answer in one notation.

    Normalising the result again changes nothing, as long as the text is written in ASCII and the symbols above; of
    nested `√`, only the outermost is read. A text of more than `LONGEST` characters, or one that `_PASSES` passes do
    not make stable, is only stripped of white space at its ends.
    """
    if _NUMBER.fullmatch(text):
        return text
    text = text.strip()
    if len(text) > LONGEST:
        return text
    before = text if text.isascii() and text.isprintable() else _ascii(text)
    for _ in range(_PASSES):
        # What one step removes can bring together what another one reads: `*$*` becomes `* *`, and that `**`.
        after = _simplified(before)
        if after == before:
            return after
        before = after
    return text


def _simplified(text: str) -> str:
    """The text after each of the steps once."""
    text = _MATH.sub(" ", text)
    text = _NOTHING.sub("", text)
    text = _SPACING.sub(" ", text)
    text = _COMMA.sub(",", text)
    text = _SYNONYM.sub(lambda match: _PLAIN[match["name"]], text)
    text = _FONT.sub("", text)
    text = _TEXT.sub(r"\\text", text)
    text = _CIRCLE.sub(r"^\\circ ", text)
    text = _FRACTION.sub(_frac, text)
    text = _MODULE.sub(r"\\", text)
    text = _unbox(_SPACE.sub(" ", text).strip(" ;,").rstrip(" .;,"))
    text = _TEXT_NUMBER.sub(lambda match: match[1] or match[2], text)
    text = _GROUPS.sub(lambda match: match[0].replace(" ", ""), text)
    text = _SCRIPT.sub(lambda match: f"{match[1]}{{{match[2] or match[3]}}}", text)
    text = _NAMED.sub(r"_{\1}", text)
    text = _IDLE_SPACE.sub("", text)
    return _COMMAND_SPACE.sub(r"\1", text).strip()


def wrapped(text: str, opening: str, closing: str) -> str | None:
    """The text between two delimiters that enclose the whole text; `None` when they do not."""
    if len(text) < len(opening) + len(closing) or not text.startswith(opening) or not text.endswith(closing):
        return None
    inside = text[len(opening) : len(text) - len(closing)]
    depth = 0
    for mark in _marks(inside):
        depth += {"(": 1, "[": 1, "{": 1}.get(mark[-1], -1)
        if depth < 0:
            return None
    return inside if depth == 0 and not inside.endswith("\\") else None


def split_top(text: str, separator: re.Pattern[str]) -> list[str]:
    """The pieces between separators outside brackets. Brackets need not match: `[0, 1)` is closed."""
    pieces, depth, start, at = [], 0, 0, 0
    while at < len(text):
        if depth == 0 and (found := separator.match(text, at)) and found.end() > at:
            pieces.append(text[start:at])
            start = at = found.end()
            continue
        if text[at] == "\\" and at + 1 < len(text):
            depth += {"{": 1, "}": -1}.get(text[at + 1], 0)
            at += 2
            continue
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(text[at], 0)
        depth = max(depth, 0)
        at += 1
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces]


_MARK = re.compile(r"\\?[{}]|[()\[\]]|\\.")


def _marks(text: str) -> Iterator[str]:
    for match in _MARK.finditer(text):
        if match[0][-1] in "()[]{}":
            yield match[0]


def _ascii(text: str) -> str:
    text = _RUN.sub(_script, text)
    text = _ROOT.sub(lambda m: f"\\sqrt{{{m['group'] or m['plain']}}}" if m["group"] or m["plain"] else r"\sqrt", text)
    return "".join(map(_character, text))


def _script(match: re.Match[str]) -> str:
    if match["up"]:
        return "^{" + "".join(_RAISED[c] for c in match["up"]) + "}"
    return "_{" + "".join(_LOWERED[c] for c in match["down"]) + "}"


def _character(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    if character in _SYMBOLS:
        return _SYMBOLS[character]
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    category = unicodedata.category(character)
    if character.isspace() or category == "Zs":
        return " "
    if category in ("Cc", "Cf"):  # zero-width, bidirectional, terminal control
        return ""
    plain = unicodedata.normalize("NFKC", character)
    if "⁄" in plain:  # a vulgar fraction
        above, below = plain.split("⁄")
        return f"\\frac{{{above}}}{{{below}}}"
    return plain


def _frac(match: re.Match[str]) -> str:
    above = match["b"] or f"{{{match['a']}}}"
    below = match["d"] or f"{{{match['c']}}}"
    return "\\frac" + above + below


def _unbox(text: str) -> str:
    """The text without braces or a box around all of it."""
    while True:
        for opening in ("{", r"\boxed{", r"\fbox{"):
            inside = wrapped(text, opening, "}")
            if inside is not None:
                text = inside.strip()
                break
        else:
            return text
