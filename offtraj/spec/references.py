"""Names in a spec that refer to other parts of it, and the problems of those that refer to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from offtraj.spec.document import Loc

__all__ = ["Problem", "ReferenceProblems", "unknown_name", "unknown_names"]


class Problem(NamedTuple):
    """An error in a spec, and its place."""

    loc: Loc
    message: str


class ReferenceProblems(ValueError):
    """References to nothing, and combinations of values that cannot work; raised with all problems of a spec."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, loc))}: {message}" for loc, message in problems))
        self.problems = tuple(problems)


def unknown_names(loc: Loc, what: str, names: Sequence[str] | None, known: Iterable[str]) -> Iterator[Problem]:
    """A problem for each name of a list that is not known.

    Args:
        loc: The place of the list.
        what: What the names are of, such as `model`.
        names: The list; `None` where the spec does not have it.
        known: The names that exist.
    """
    known = list(known)
    for index, name in enumerate(names or ()):
        if name not in known:
            yield Problem((*loc, index), unknown_name(what, name, known))


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that is not known, with the closest known name if there is one."""
    known = list(known)
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known) or '(none declared)'}"
    return f"unknown {what} {name!r}: {hint}"
