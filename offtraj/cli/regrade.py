"""`regrade`: a run's completions are graded again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtraj.cli.options import Judge, Workspace, judge_of
from offtraj.cli.run import exit_over_tolerance

__all__ = ["regrade"]

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder to write; RUN replaces it.  [default: RUN--regraded]"),
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
    """Grade the completions of a run again, with this version's rule and the same or another judge; show changes."""
    from offtraj.api.regrade import regrade as grade_again
    from offtraj.api.report import report
    from offtraj.cli.console import show
    from offtraj.report.verdict_tables import change_table, verdict_table

    done = grade_again(run, judge=judge_of(judge), out=out, workspace=workspace)
    (one,) = report(done.run).runs
    show(verdict_table(one))
    if done.changes:
        show(change_table(done))
    changed = sum(done.changes.values())
    typer.echo(f"{done.run.path}: {changed} of {done.total} verdicts changed")
    exit_over_tolerance(done.run, tolerance)
