"""Specs and workspaces, as the functions of the API take them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from offtraj.spec.file import SpecFile

if TYPE_CHECKING:
    from offtraj.grading.judge.judge import ResolvedJudge

__all__ = ["SpecFile", "SpecLike", "as_spec", "chosen_judge", "json_schema", "load_spec", "store_path"]

SpecLike: TypeAlias = "str | os.PathLike[str] | SpecFile"
"""A spec, or the path of its YAML file."""


def load_spec(path: str | os.PathLike[str]) -> SpecFile:
    """The spec of a YAML file, checked.

    Args:
        path: The file.

    Returns:
        The spec (`.spec`), its path, its text and the line of each value.

    Raises:
        SpecError: with one line for each problem: file, line, column, key, the value and what was expected.
    """
    from offtraj.spec.file import load_spec as load

    return load(Path(path))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec, for editors."""
    from offtraj.spec import json_schema as schema

    return schema()


def as_spec(spec: SpecLike) -> SpecFile:
    """The spec itself, loaded where a path is given.

    Raises:
        SpecError: as `load_spec` does.
    """
    return spec if isinstance(spec, SpecFile) else load_spec(spec)


def store_path(workspace: str | os.PathLike[str] | None) -> Path:
    """The database of a workspace folder; of `$OFFTRAJ_WORKSPACE`, else of `.offtraj`, when it is None."""
    return Path(workspace or os.environ.get("OFFTRAJ_WORKSPACE") or ".offtraj") / "store.sqlite"


def chosen_judge(judge: bool | SpecLike, own: ResolvedJudge | None) -> ResolvedJudge | None:
    """The judge to grade with; None for the rule alone.

    Args:
        judge: True for `own`, False for none, or a spec whose judge is used instead.
        own: The judge that the data set or run declares, if any.

    Raises:
        SpecError: as `load_spec` does.
        UsageError: for a spec without a judge.
    """
    from offtraj.errors import UsageError
    from offtraj.grading.judge.judge import declared_judge

    if isinstance(judge, bool):
        return own if judge else None
    file = as_spec(judge)
    found = declared_judge(file)
    if found is None:
        raise UsageError(f"--judge {str(file.path)!r}: the spec declares no `judge`")
    return found
