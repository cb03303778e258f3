"""All errors that a user can meet, named by the boundary that was crossed.

    OfftrajError
    ├── UsageError            the command line, or a combination that makes no sense       (2)
    │   ├── SpecError         a spec file: file, line, column, what was expected           (2)
    │   ├── DataError         questions, recordings or a data set folder                   (2)
    │   ├── OutputError       a folder that we may not write, or a disk that is full       (2, 1)
    │   └── MissingExtraError an optional dependency that is not installed                 (2)
    ├── BuildError            the spec is fine, but too little qualifies for a set         (1)
    ├── EngineError           a model, or the server behind it                             (1)
    ├── HubError              the Hugging Face Hub                                         (1)
    └── StoreError            the workspace's database                                     (1)

Each carries one message for a reader: what happened, the value, where, and the remedy. `offtraj.cli`
turns them into exit codes in one place. What a grader cannot decide is not an error but the verdict `unscored`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = [
    "BuildError",
    "DataError",
    "EngineError",
    "HubError",
    "MissingExtraError",
    "OfftrajError",
    "OutputError",
    "SpecError",
    "StoreError",
    "UsageError",
    "first_line",
    "import_extra",
]


class OfftrajError(Exception):
    """Base of all errors that this package raises on purpose. `exit_code` is the process's status."""

    exit_code = 1


class UsageError(OfftrajError):
    """Something that the caller can put right: arguments, names, combinations."""

    exit_code = 2


class SpecError(UsageError):
    """A spec that cannot be read, or says something impossible. One line for each problem."""


class DataError(UsageError):
    """Questions, recordings or a data set folder that are missing, malformed or contradictory."""


class OutputError(UsageError):
    """A folder that holds something else, or cannot be written. Nothing half-written is left."""

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class MissingExtraError(UsageError):
    """A feature whose optional dependencies are not installed."""


class BuildError(OfftrajError):
    """Nothing, or too little, qualifies for a steered set."""


class EngineError(OfftrajError):
    """A model could not be loaded or asked, or it did not see what we sent."""


class HubError(OfftrajError):
    """The Hub refused, failed or could not be reached."""


class StoreError(OfftrajError):
    """The workspace's database is damaged, locked or of another version."""


def first_line(error: BaseException, *, empty: str | None = None) -> str:
    """The first line of an error's message; where it has none, `empty`, which is the name of its type by default."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__ if empty is None else empty


def import_extra(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional dependency where it is needed.

    Raises:
        MissingExtraError: naming the install command, when `module` is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # installed, but broken: its own message says more
        message = f"{purpose} needs {module!r}, which is not installed: pip install 'offtraj[{extra}]'"
        raise MissingExtraError(message) from error
