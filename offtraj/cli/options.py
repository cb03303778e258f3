"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from offtraj.grading.judge.judge import ResolvedJudge

__all__ = [
    "AsCSV",
    "AsJSON",
    "AsLaTeX",
    "Judge",
    "Limit",
    "Models",
    "Spec",
    "Tests",
    "Workspace",
    "judge_of",
    "one_format",
    "store_path",
]

Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec: one YAML file.", show_default=False)]
Tests = Annotated[
    list[str] | None,
    typer.Option("--test", metavar="NAME", help="Only this test of the spec; may be repeated.", show_default=False),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="ID", help="Only this model of the spec; may be repeated.", show_default=False),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit", min=1, metavar="N", help="At most N questions of each benchmark: for trying.", show_default=False
    ),
]
Workspace = Annotated[
    Path,
    typer.Option(
        "--workspace", metavar="DIR", envvar="OFFTRAJ_WORKSPACE", help="Where completions and verdicts are kept."
    ),
]


Judge = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="SPEC|none",
        help="The judge that another spec declares, or none: the rule alone.  [default: the spec's own, if any]",
        show_default=False,
    ),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Write JSON instead: every number, as shares.")]
AsCSV = Annotated[bool, typer.Option("--csv", help="Write CSV instead: a line for each number, as shares.")]
AsLaTeX = Annotated[bool, typer.Option("--latex", help="Write LaTeX tables instead, in percent.")]


def one_format(*options: tuple[str, bool]) -> None:
    """See that at most one of these was asked for.

    Raises:
        UsageError: when several were.
    """
    from offtraj.errors import UsageError

    asked = [name for name, given in options if given]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)}: one format at a time")


def judge_of(option: str | None, own: ResolvedJudge | None) -> ResolvedJudge | None:
    """The judge that is chosen with `--judge`; `own` where nothing is said.

    Raises:
        UsageError: for a spec without a judge.
    """
    from offtraj.errors import UsageError
    from offtraj.grading.judge.judge import declared_judge
    from offtraj.spec import load_spec

    if option is None:
        return own
    if option == "none":
        return None
    file = load_spec(option)
    found = declared_judge(file)
    if found is None:
        raise UsageError(f"--judge {option!r}: the spec declares no `judge`")
    return found


def store_path(workspace: Path) -> Path:
    """The workspace's database."""
    return workspace / "store.sqlite"
