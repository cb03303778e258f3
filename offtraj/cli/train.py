"""`train`: pocket models, from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["train"]

Members = Annotated[
    list[str] | None, typer.Argument(metavar="[MEMBER]...", help="Members of the family.  [default: all]")
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where their folders go.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="How many at a time, a core each.")]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, metavar="N", help="Another seed than the recipes'.", show_default=False)
]


def train(members: Members = None, out: Out = Path("models"), jobs: Jobs = 2, seed: Seed = None) -> None:
    """Train pocket models, the family that `quickstart` runs on: twenty minutes and more for most.

    What was interrupted goes on when the same command is run again, and ends in the same weights.
    """
    from offtraj.cli.console import show_progress
    from offtraj.studies.pocket.family import choose, train_family

    recipes = choose(members or (), seed=seed)
    with show_progress() as progress:
        folders = train_family(recipes, out, jobs=jobs, progress=progress)
    for folder in folders:
        typer.echo(str(folder))
