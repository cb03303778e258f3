"""`check`: is a data set what it says it is?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from offtraj.check.result import Checked

__all__ = ["check"]

SHOWN = 50

Target = Annotated[str, typer.Argument(metavar="DIR|REPO[@REV]", help="A data set.", show_default=False)]
Original = Annotated[
    Path | None,
    typer.Option(
        "--spec",
        metavar="SPEC",
        help="The spec where it was written, if models lie in folders beside it.  [default: the data set's copy]",
    ),
]


def check(target: Target, spec: Original = None) -> None:
    """Read a data set again, make its rows again from its trajectories and spec, and name what differs."""
    import asyncio
    from tempfile import TemporaryDirectory

    from offtraj.check.check import check as check_data
    from offtraj.cli.console import show_progress
    from offtraj.dataset.folder import open_folder
    from offtraj.grading.domains import find_domain
    from offtraj.grading.opening import open_grader
    from offtraj.spec import load_spec
    from offtraj.store import Store

    data = open_folder(target)
    file = data.spec if spec is None else load_spec(spec)

    async def work() -> Checked:
        with (
            TemporaryDirectory(prefix="offtraj-check-") as folder,
            show_progress() as progress,
            Store(Path(folder) / "texts.sqlite") as store,
        ):
            async with open_grader(find_domain(file.spec.domain), store=store) as grader:
                return await check_data(data, spec=file, store=store, grader=grader, progress=progress)

    found = asyncio.run(work())
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
            f"not made again for want of these: {', '.join(found.not_made)}: if they are folders beside the spec that "
            "was built, give --spec SPEC",
            err=True,
        )
    name = f"{target}: {data.manifest.name} {data.manifest.version}"
    made = len(data.sets) - len(found.not_made)
    typer.echo(
        f"{name}: {len(data.manifest.files)} files, {found.rows:,} steered rows, {made} of {len(data.sets)} sets "
        f"made again: {f'{count} problems' if count else 'as it should be'}"
    )
    if count:
        raise typer.Exit(1)
