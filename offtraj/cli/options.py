"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Limit", "Models", "Spec", "Tests", "Workspace", "store_path"]

Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec: one YAML file.", show_default=False)]
Tests = Annotated[
    list[str] | None,
    typer.Option("--test", metavar="NAME", help="Only this test: recoverability or guidability.", show_default=False),
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


def store_path(workspace: Path) -> Path:
    """The workspace's database."""
    return workspace / "store.sqlite"
