"""`check`: whether a data set follows from its own trajectories and spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["check"]

SHOWN = 50

Target = Annotated[str, typer.Argument(metavar="DIR|REPO[@REV]", help="A data set.", show_default=False)]
Original = Annotated[
    Path | None,
    typer.Option(
        "--spec",
        metavar="SPEC",
        help="The spec at its original place, if models are folders relative to it.  [default: the data set's copy]",
    ),
]


def check(target: Target, spec: Original = None) -> None:
    """Read a data set again, make its rows again from its trajectories and spec, and name what differs."""
    from offtraj.api.check import check as check_data
    from offtraj.api.data_folder import open_dataset

    data = open_dataset(target)
    found = check_data(data, spec=spec)
    for problem in found.problems[:SHOWN]:
        typer.echo(f"{problem.where}: {problem.what}")
    count = len(found.problems) + found.untold.total()
    if count > SHOWN:
        typer.echo(f"and {count - SHOWN} more")
    for model, why in found.not_loaded.items():
        typer.echo(f"{model} cannot be used: {why}", err=True)
    if found.not_graded:
        typer.echo(f"verdicts on trajectories are taken as they are: {found.not_graded}", err=True)
    if found.not_made:
        typer.echo(
            f"not rebuilt, because these are missing: {', '.join(found.not_made)}: if they are folders next to the "
            "spec that was built, give --spec SPEC",
            err=True,
        )
    name = f"{target}: {data.manifest.name} {data.manifest.version}"
    made = len(data.sets) - len(found.not_made)
    typer.echo(
        f"{name}: {len(data.manifest.files)} files, {found.rows:,} steered rows, {made} of {len(data.sets)} sets "
        f"rebuilt: {f'{count} problems' if count else 'OK'}"
    )
    if count:
        raise typer.Exit(1)
