"""The domains of the benchmark; a new one is one more entry."""

from __future__ import annotations

from offtraj.errors import UsageError
from offtraj.grading.domain import Domain
from offtraj.grading.math.domain import MATH

__all__ = ["DOMAINS", "find_domain"]

DOMAINS: tuple[Domain, ...] = (MATH,)
"""The first is the domain of runs that do not name theirs: those of versions with one domain."""


def find_domain(name: str | None) -> Domain:
    """The domain of that name; `None` stands for the first.

    Raises:
        UsageError: for a domain that this version does not know.
    """
    if name is None:
        return DOMAINS[0]
    for domain in DOMAINS:
        if domain.name == name:
            return domain
    known = ", ".join(repr(domain.name) for domain in DOMAINS)
    raise UsageError(f"domain {name!r}: this version grades {known}: update offtraj")
