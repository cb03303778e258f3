"""`regrade`: a run's completions are graded again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offtraj.cli.options import Judge, Workspace, judge_of, store_path
from offtraj.cli.run import exit_over_tolerance

if TYPE_CHECKING:
    from offtraj.evaluate.regrade import Regraded

__all__ = ["regrade"]

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder to make; RUN replaces it.  [default: RUN--regraded]"),
]
Tolerance = Annotated[
    float, typer.Option("--tolerance", min=0, max=1, metavar="SHARE", help="Share of outcomes that may be unscored.")
]


def regrade(
    run: RunPath,
    judge: Judge = None,
    out: Out = None,
    tolerance: Tolerance = 0.0,
    workspace: Workspace = Path(".offtraj"),
) -> None:
    """Grade the completions of a run again, with today's rule and its own or another judge; show what changes."""
    import asyncio

    from offtraj.cli.console import show, show_progress
    from offtraj.evaluate.regrade import judge_of_run
    from offtraj.evaluate.regrade import regrade as grade_again
    from offtraj.evaluate.run_folder import read_run
    from offtraj.evaluate.scored_run import score_run
    from offtraj.report.verdict_tables import change_table, verdict_table
    from offtraj.store import Store

    there = read_run(run)
    resolved_judge = judge_of(judge, judge_of_run(there) if judge is None else None)
    folder = out or run.with_name(f"{run.name}--regraded")

    async def work() -> Regraded:
        with show_progress() as progress, Store(store_path(workspace)) as store:
            return await grade_again(there, out=folder, store=store, resolved_judge=resolved_judge, progress=progress)

    done = asyncio.run(work())
    show(verdict_table(score_run(done.run)))
    if done.changes:
        show(change_table(done))
    changed = sum(done.changes.values())
    typer.echo(f"{done.run.path}: {changed} of {done.total} verdicts changed")
    exit_over_tolerance(done.run, tolerance)
