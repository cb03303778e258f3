"""`train`: pocket models, from random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["train"]

Members = Annotated[
    list[str] | None, typer.Argument(metavar="[MEMBER]...", help="Members of the family.  [default: all]")
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of their folders.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Members trained at a time, one core each.")]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, metavar="N", help="Seed that replaces the recipes'.", show_default=False)
]


def train(members: Members = None, out: Out = Path("models"), jobs: Jobs = 2, seed: Seed = None) -> None:
    """Train pocket models, the family that `quickstart` runs on: twenty minutes or more for most.

    An interrupted training continues when the same command is run again, and ends in the same weights.
    """
    from offtraj.api.pocket import train as train_models

    for folder in train_models(members or (), out=out, jobs=jobs, seed=seed):
        typer.echo(str(folder))
