"""`quickstart`: the twin tests on models and questions that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtraj.cli.options import Limit, Workspace

__all__ = ["quickstart"]

All = Annotated[bool, typer.Option("--all", help="The whole family of models, on more questions.")]


def quickstart(everyone: All = False, limit: Limit = None, workspace: Workspace = Path(".offtraj")) -> None:
    """Build and run the twin tests with pocket models: minutes on two cores, without a GPU or the network.

    Writes `data/` and `runs/` in the current folder, as `build` and `run` do, prints the tables of `report`, and
    writes its page.
    """
    from offtraj.api.quickstart import quickstart as run_quickstart
    from offtraj.cli.console import show
    from offtraj.report.score_tables import overview, score_tables
    from offtraj.report.solo_table import solo_table

    done = run_quickstart(everyone=everyone, limit=limit, workspace=workspace, page=Path("report.html"))
    runs = done.report.runs
    for one in runs:
        show(*score_tables(one))
    show(solo_table(done.data), overview(runs))
    folder = done.data.path
    typer.echo(f"Kept in {folder} and runs/{folder.name}--*; models and spec: {done.data.spec.path.parent}")
    typer.echo(f"Every score with its interval, and every trajectory: {done.page}")
