"""The sentence ends of a reasoning trace, in English and Chinese.

Reasoning traces mix prose, formulas, lists and code. A missed end moves a cut to the next one, whereas a wrong end
splits a formula or a number. Ends are therefore missed rather than invented: no sentence ends inside LaTeX, code or
numbers, or after an abbreviation.
"""

from __future__ import annotations

import re
from bisect import bisect_left

__all__ = ["SentenceEnds"]

# The text is scanned once. Every candidate begins with a character of the first class, which the matcher finds
# quickly; the look-behinds then tell which one it is. A match without a named group is skipped, and no sentence ends
# inside it.
_SCAN = re.compile(
    r"""
    [`$\\.!?…。！？\n]
    (?: (?<=`) (?: ``.*?``` | [^`\n]+` )                                     # code
      | (?P<math>
            (?<=(?<![\\$])\$) (?: \$ (?: (?!\n[ \t]*\n)[^$] ){1,4000} \$\$   # $$ … $$
                        | (?=[^\s$]) (?: [^$\\\n] | \\. | \n(?![ \t]*\n) ){0,1000} (?<=[^\s\\])\$(?![\d$])
                        | [ ](?=[^$\n]*[\\^_=]) [^$\n]{1,500}(?<=[ ])\$ )    # $ … $, not prices
          | (?<=(?<!\\)\\) (?: \[ (?: [^\\] | \\[^\[\]] ){0,4000} \\\]        # \[ … \]
                             | \( (?: [^\\] | \\[^()] ){0,2000} \\\)          # \( … \)
                             | begin\{(?P<env>[a-zA-Z]+\*?)\} .{0,8000}? \\end\{(?P=env)\} ) )
      | (?<=\\) (?: (?:left|right)\s*\.                                      # a delimiter, not a full stop
                  | [a-zA-Z]+ (?: \{ (?: [^{}] | \{ (?: [^{}] | \{[^{}]*\} )* \} )* \} )+ )
      | (?P<full> (?<=[。！？]) [。！？]* ["'”’)\]*_»」』）】]* )
      | (?P<stop> (?<=[.!?…]) [.!?…]* ["'”’)\]*_»」』）】]* (?=\s|\Z|[一-鿿]) )
      | (?P<gap> (?<=\n) (?: [ \t]*\n | (?=[ \t]*(?: [-*+•]|\(?\d{1,3}[.)] )[ \t]) ) )
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_NEXT = re.compile(r"\s*(\S{0,2})")
_BREAKS = re.compile(r"[ \t]*(?:\n|\Z)")
_OPEN_ENDED = frozenset(":,;=+-–—<>&|\\/(^_{[·×≈≤≥→⇒：，；、（")
_LOOK_BACK = 24  # characters before a full stop that decide its role; longer than any pattern below
_NO_END = re.compile(
    r"""
    (?: (?:^|\n)[ \t>]* (?:[#*_-]+[ \t]*)? \(?(?: \d{1,3} | [A-Za-z] | [ivxIVX]{2,4} )   # an item's number
      | (?<![A-Za-z]) (?: e\.g | i\.e | cf | viz | vs | resp | approx | al | [wW]\.r\.t | w\.?l\.?o\.?g | s\.t
                        | a\.k\.a | i\.i\.d | Mr | Mrs | Ms | Dr | Prof | St | Jr | Sr | Gen | Col | Lt )
      | (?<![A-Za-z]) (?: [A-Z]\.[ ]? )+[A-Z]                                            # initials
    )\Z
    """,
    re.VERBOSE,
)
_NO_END_BEFORE_NUMBER = re.compile(
    r"(?<![A-Za-z])(?:[Ff]igs?|[Ee]qs?|[Ss]ecs?|[Cc]h|[Tt]hm|[Ll]em|[Cc]or|[Pp]rop|[Dd]ef|[Nn]os?|pp?|[Vv]ol|[Ee]x)\Z"
)
_END_BEFORE_CAPITAL = re.compile(r"(?<![A-Za-z])(?:etc|[ap]\.m)\Z")


class SentenceEnds:
    """The ends of a text's sentences, in characters.

    An end is the offset behind the closing punctuation, with the quotes or brackets that close with it, and before
    the white space that follows. The end of the text, without trailing white space, is always one.

    The text is scanned once; candidates are examined only where ends are requested.
    """

    def __init__(self, text: str) -> None:
        """Scan the text."""
        self._text = text
        self._last = len(text.rstrip())
        self._matches = [match for match in _SCAN.finditer(text) if match.lastgroup]
        self._places = [_place(text, match) for match in self._matches]

    def all(self) -> list[int]:
        """Every end, ascending."""
        ends = {place for at, place in enumerate(self._places) if self._ends(at)}
        return sorted(ends | ({self._last} if self._last else set()))

    def around(self, place: int) -> list[int]:
        """The last end before a character, and the first from it on; one of them where there is no other."""
        if place > self._last:
            return [self._last] if self._last else []
        here = bisect_left(self._places, place)
        before = next((self._places[at] for at in range(here - 1, -1, -1) if self._ends(at)), None)
        after = next((self._places[at] for at in range(here, len(self._places)) if self._ends(at)), self._last)
        return [end for end in (before, after) if end]

    def _ends(self, at: int) -> bool:
        match, text = self._matches[at], self._text
        if not 0 < self._places[at] <= self._last:
            return False
        if match.lastgroup == "gap":
            return _gap_ends(text, self._places[at], match.end())
        if match.lastgroup == "stop":
            return _stop_ends(text, match)
        return match.lastgroup == "full" or _math_ends(text, match)


def _place(text: str, match: re.Match[str]) -> int:
    """Where the sentence ends, if it ends with the match: before a gap, behind all else."""
    if match.lastgroup != "gap":
        return match.end()
    start = match.start()
    while start and text[start - 1] in " \t":
        start -= 1
    return start


def _stop_ends(text: str, match: re.Match[str]) -> bool:
    at, mark = match.start(), text[match.start()]
    if mark == "?":
        return True
    line_ends = _BREAKS.match(text, match.end()) is not None
    following = _following(text, match.end())
    if mark == "!":
        return not _is_factorial(text, at) or line_ends or following[:1].isupper()
    if match[0].startswith(("..", "…")):
        return line_ends or following[:1].isupper()
    before = text[max(0, at - _LOOK_BACK) : at]
    if at > _LOOK_BACK:
        before = "\0" + before[1:]  # so that ^ means the text's beginning only
    if _NO_END.search(before) or (following[:1] in "0123456789(\\$" and _NO_END_BEFORE_NUMBER.search(before)):
        return False
    if line_ends:
        return True
    if _END_BEFORE_CAPITAL.search(before):
        return following[:1].isupper()
    # `x is …` and `n must …` begin sentences; other small letters go on after an abbreviation.
    return not (following[:1].islower() and following[1:].isalpha())


def _is_factorial(text: str, at: int) -> bool:
    before = text[at - 1 : at]
    return before.isdigit() or before in (")", "}", "]") or (before.isalpha() and not text[at - 2 : at - 1].isalpha())


def _math_ends(text: str, match: re.Match[str]) -> bool:
    """Whether a formula's own full stop ends the sentence: `$x = 5.$ Then …`."""
    body = match[0].rstrip("$)]\\ \n\t")
    if not body.endswith(".") or body.endswith((r"\right.", r"\left.", "..")):
        return False
    return not _following(text, match.end())[:1].islower()


def _gap_ends(text: str, start: int, end: int) -> bool:
    """Whether a sentence without punctuation ends at a blank line, or before a list's next item."""
    if start == 0 or text[start - 1] in _OPEN_ENDED or text[start - 1].isspace():
        return False
    line = text[text.rfind("\n", 0, start) + 1 : start].lstrip()
    if line.startswith("#"):  # a heading belongs to what follows
        return False
    following = _following(text, end)
    return not (following[:1].islower() or following in ("\\[", "$$", "\\b"))


def _following(text: str, at: int) -> str:
    """The next two characters that are not white space, as far as they stand together."""
    match = _NEXT.match(text, at)
    return match[1] if match else ""
