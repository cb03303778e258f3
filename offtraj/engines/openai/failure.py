"""The ways in which a request to a server fails, and how its answer tells them apart.

What is sent again, and when, is left to `endpoint`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

__all__ = [
    "Absent",
    "Failed",
    "Malformed",
    "Paced",
    "Refused",
    "Rejected",
    "Unanswered",
    "error_message",
    "is_refusal",
    "retry_after",
]


class Rejected(Exception):
    """The server refuses the request for good (a 4xx)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Unanswered(Exception):
    """There is no usable answer after all retries."""


class Absent(Unanswered):
    """No process listens at the address."""


class Malformed(ValueError):
    """An answer that cannot be used; the request is sent again."""


class Paced(Exception):
    """The server asks for fewer requests (429, 503). The request is sent again after a wait."""

    def __init__(self, message: str, after: float | None) -> None:
        """`after` is the wait that the server asks for, in seconds."""
        super().__init__(message)
        self.after = after


class Refused(Exception):
    """The connection was refused."""


class Failed(Exception):
    """A failure that may be temporary: a time-out, a cut connection, a 5xx, a malformed answer."""

    def __init__(self, message: str, *, slow: bool) -> None:
        """`slow` where the server did not answer in time."""
        super().__init__(message)
        self.slow = slow


def error_message(body: object) -> str:
    """The first line of the message in an error's body, in any of the usual fields; at most 300 characters."""
    if isinstance(body, dict):
        for name in ("message", "detail", "error"):
            if body.get(name):
                return error_message(body[name])
    lines = str(body).strip().splitlines() if body else []
    return lines[0][:300] if lines else "(no message)"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks to wait, given as a number or a date; `None` without the header."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def is_refusal(error: BaseException) -> bool:
    """Whether an error was caused by a refused connection."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionRefusedError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None
