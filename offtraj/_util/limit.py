"""The `limit` that several functions take: a number of questions or rows."""

from __future__ import annotations

from offtraj.errors import UsageError

__all__ = ["check_limit"]


def check_limit(limit: int | None) -> None:
    """Refuse a limit that is no whole number from 1 on; None is no limit.

    Raises:
        UsageError: naming the value.
    """
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise UsageError(f"--limit {limit!r}: expected a whole number from 1 on")
