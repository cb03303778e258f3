"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
        "--workspace", metavar="DIR", envvar="OFFTRAJ_WORKSPACE", help="Folder that keeps completions and verdicts."
    ),
]


Judge = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="SPEC|none",
        help="The judge of another spec, or none for the rule alone.  [default: the spec's own, if any]",
        show_default=False,
    ),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Write JSON instead: every number, as shares.")]
AsCSV = Annotated[bool, typer.Option("--csv", help="Write CSV instead: a line for each number, as shares.")]
AsLaTeX = Annotated[bool, typer.Option("--latex", help="Write LaTeX tables instead, in percent.")]


def one_format(*options: tuple[str, bool]) -> None:
    """Refuse more than one of these options.

    Args:
        options: Their names, and whether each was given.

    Raises:
        UsageError: when several were given.
    """
    from offtraj.errors import UsageError

    chosen = [name for name, given in options if given]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)}: one format at a time")


def judge_of(option: str | None) -> bool | Path:
    """What `--judge` means to the API: True for the declared judge, False for none, or another spec."""
    return True if option is None else False if option == "none" else Path(option)
