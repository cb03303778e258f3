"""`run`: a model is evaluated on steered sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offtraj.cli.options import Judge, Tests, Workspace, judge_of

if TYPE_CHECKING:
    from offtraj.api.run import RunFolder

__all__ = ["exit_over_tolerance", "run"]

OVER_TOLERANCE = 3

Target = Annotated[str, typer.Argument(metavar="SPEC|DIR|REPO[@REV]", help="What to run on.", show_default=False)]
Model = Annotated[
    str,
    typer.Option("--model", metavar="ID|PATH", help="A model of the spec, a folder or a Hub id.", show_default=False),
]
BuiltFor = Annotated[
    str | None,
    typer.Option("--on", metavar="ID", help="Run on the sets that were built for this model.  [default: its own]"),
]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME|URL", help="An engine of the spec, `transformers`, or an endpoint's URL."),
]
Rows = Annotated[
    int | None,
    typer.Option(
        "--limit", min=1, metavar="N", help="N rows of each set, drawn by hash: for a trial.", show_default=False
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run folder to write.  [default: runs/NAME-VERSION--MODEL]")
]


def run(
    target: Target,
    model: Model,
    built_for: BuiltFor = None,
    engine: EngineName = None,
    tests: Tests = None,
    limit: Rows = None,
    judge: Judge = None,
    out: Out = None,
    workspace: Workspace = Path(".offtraj"),
) -> None:
    """Evaluate a model on steered sets; given a spec, build what is missing first."""
    from offtraj._util.sync import wait_for
    from offtraj.api.evaluate import prepare_async
    from offtraj.api.report import report
    from offtraj.cli.console import say, show
    from offtraj.report.score_tables import overview, score_tables
    from offtraj.report.verdict_tables import verdict_table

    ready = wait_for(
        prepare_async(
            target,
            model,
            built_for=built_for,
            engine=engine,
            tests=tests or (),
            limit=limit,
            judge=judge_of(judge),
            out=out,
            workspace=workspace,
        )
    )
    data = ready.sets.data
    typer.echo(f"{ready.model} on {', '.join(ready.sets.configs)} of {data.path}", err=True)
    done = ready.run()
    (one,) = report(done).runs
    show(*score_tables(one), verdict_table(one), overview([one]))
    say(*one.summary.notes)
    typer.echo(str(done.path))
    exit_over_tolerance(done, data.spec.spec.tolerance)


def exit_over_tolerance(run: RunFolder, tolerance: float) -> None:
    """Exit with 3 when the share of unscored outcomes is over the tolerance.

    Args:
        run: The run.
        tolerance: Share of outcomes, from 0 to 1.
    """
    from offtraj.api.run import over_tolerance

    counts = run.record.outcomes
    if counts is not None and over_tolerance(run, tolerance):
        typer.echo(
            f"offtraj: {counts.unscored} of {counts.total} outcomes are unscored, over the spec's tolerance of {tolerance:.1%}: run "
            "the same command again to try again what failed; what the rule cannot decide needs a judge",
            err=True,
        )
        raise typer.Exit(OVER_TOLERANCE)
