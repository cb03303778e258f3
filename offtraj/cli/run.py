"""`run`: a model is scored on steered sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offtraj.cli.options import Judge, Tests, Workspace, judge_of, store_path

if TYPE_CHECKING:
    from offtraj.dataset.folder import DataFolder
    from offtraj.evaluate.run_folder import RunFolder

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
        "--limit", min=1, metavar="N", help="N rows of each set, drawn by hash: for trying.", show_default=False
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run folder to make.  [default: runs/NAME-VERSION--MODEL]")
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
    """Score a model on steered sets; given a spec, build what is missing first."""
    import asyncio

    from offtraj.cli.console import say, show, show_progress
    from offtraj.evaluate.evaluate import choose_sets, evaluate, find_evaluated_model
    from offtraj.evaluate.scored_run import score_run
    from offtraj.grading.judge.judge import declared_judge
    from offtraj.report.score_tables import overview, score_tables
    from offtraj.report.verdict_tables import verdict_table
    from offtraj.store import Store

    data = _data(target, model, workspace)
    spec = data.spec.spec
    evaluated = find_evaluated_model(data.spec, model, engine)
    name = evaluated.model.id
    sets = choose_sets(data, name, built_for=built_for, tests=tests or (), limit=limit)
    resolved_judge = judge_of(judge, None if judge == "none" else declared_judge(data.spec))
    folder = out or Path("runs") / f"{spec.name}-{spec.version}--{name}"

    async def work() -> RunFolder:
        with show_progress() as progress, Store(store_path(workspace)) as store:
            return await evaluate(
                sets, evaluated, out=folder, store=store, resolved_judge=resolved_judge, progress=progress
            )

    typer.echo(f"{name} on {', '.join(sets.configs)} of {data.path}", err=True)
    done = asyncio.run(work())
    one = score_run(done)
    show(*score_tables(one), verdict_table(one), overview([one]))
    say(*one.summary.notes)
    typer.echo(str(done.path))
    exit_over_tolerance(done, spec.tolerance)


def exit_over_tolerance(run: RunFolder, tolerance: float) -> None:
    """End with 3 when more of a run is unscored than may be."""
    from offtraj.evaluate.evaluate import over_tolerance

    counts = run.record.outcomes
    if counts is not None and over_tolerance(run.record, tolerance):
        typer.echo(
            f"offtraj: {counts.unscored} of {counts.total} outcomes are unscored, over the spec's tolerance of {tolerance:.1%}: run "
            "the same command again to try again what failed; what the rule cannot decide needs a judge",
            err=True,
        )
        raise typer.Exit(OVER_TOLERANCE)


def _data(target: str, model: str, workspace: Path) -> DataFolder:
    """The data set to run on; a spec's is built first."""
    import asyncio

    from offtraj.build.build import built_dataset
    from offtraj.cli.console import show_progress
    from offtraj.dataset.folder import open_folder
    from offtraj.errors import UsageError
    from offtraj.spec import load_spec
    from offtraj.store import Store

    if not target.endswith((".yaml", ".yml")):
        return open_folder(target)
    file = load_spec(target)
    if model not in [declared.id for declared in file.spec.models]:
        known = ", ".join(declared.id for declared in file.spec.models)
        raise UsageError(
            f"--model {model!r}: {target} has no such model, but {known}: to score another one, `offtraj build {target}` "
            "and run on the folder"
        )

    async def work() -> DataFolder:
        with show_progress() as progress, Store(store_path(workspace)) as store:
            return await built_dataset(file, store=store, model=model, progress=progress)

    return asyncio.run(work())
