"""Environment variables in a spec's paths and URLs: `${NAME}` and `${NAME:-default}`."""

from __future__ import annotations

import os
import re

from offtraj.errors import SpecError
from offtraj.spec.document import Place

__all__ = ["LEADING", "expand", "has_variable"]

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")

LEADING = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-(?P<value>[^}]*))?\}")
"""A variable that a value begins with."""


def has_variable(value: str) -> bool:
    """Whether something in a value is read from the environment."""
    return _REFERENCE.search(value) is not None


def expand(value: str, place: Place) -> str:
    """The value with its variables replaced.

    Raises:
        SpecError: for a variable without a default that is not set, naming the place.
    """

    def replacement(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        found = os.environ.get(name) or default
        if found is None:
            raise SpecError(
                f"{place}: {value!r} needs the environment variable {name}, which is not set: export {name}=…"
            )
        return found

    return _REFERENCE.sub(replacement, value)
