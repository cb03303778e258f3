"""`build`: a spec becomes a data set folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offtraj.cli.options import Limit, Models, Spec, Tests, Workspace, store_path
from offtraj.cli.push import DryRun, Private, Proposed, Push, Revision, check_push, publish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offtraj.dataset.manifest import Manifest
    from offtraj.model.model import Model
    from offtraj.run.question import Question
    from offtraj.run.solo import Solo
    from offtraj.spec import SpecFile

__all__ = ["build", "build_folder", "default_folder"]


def build(
    spec: Spec,
    models: Models = None,
    tests: Tests = None,
    limit: Limit = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder to make.  [default: data/NAME-VERSION]")
    ] = None,
    workspace: Workspace = Path(".offtraj"),
    trajectories: Annotated[
        str | None,
        typer.Option(
            "--trajectories",
            metavar="DIR|REPO[@REV]",
            help="Take the solo samples that this data set holds, instead of sampling those models.",
            show_default=False,
        ),
    ] = None,
    push: Push = False,
    dry_run: DryRun = False,
    revision: Revision = "main",
    pull_request: Proposed = False,
    private: Private = False,
) -> None:
    """Make the steered sets of a spec, as a data set folder that `datasets.load_dataset` opens, and publish it."""
    from offtraj.cli.console import show
    from offtraj.cli.tables import counts_table
    from offtraj.hub.push import Destination
    from offtraj.spec import load_spec

    file = load_spec(spec)
    folder = out or default_folder(file)
    to = Destination(file.spec.publish.repo if file.spec.publish else "", revision, private, pull_request)
    check_push(file, to, push=push, dry_run=dry_run, partial=bool(models or tests or limit))
    manifest = build_folder(
        file,
        folder,
        models=models or (),
        tests=tests or (),
        limit=limit,
        workspace=workspace,
        trajectories=trajectories,
    )
    show(counts_table(manifest))
    for dropped in manifest.dropped_questions:
        typer.echo(f"not used: {dropped.benchmark}: {dropped.id}: {dropped.reason}", err=True)
    rows = sum(entry.rows for entry in manifest.files)
    typer.echo(f"{folder}: {manifest.name} {manifest.version}, {len(manifest.files)} files, {rows} rows")
    if push:
        publish(folder, to, dry_run=dry_run)


def default_folder(file: SpecFile) -> Path:
    """Where a spec's data set goes when nothing else is said."""
    return Path("data") / f"{file.spec.name}-{file.spec.version}"


def build_folder(
    file: SpecFile,
    out: Path,
    *,
    models: Sequence[str],
    tests: Sequence[str],
    limit: int | None,
    workspace: Path,
    trajectories: str | None = None,
) -> Manifest:
    """Gather, compose and write; what was sampled before is taken from the workspace, or from a data set."""
    import asyncio
    from dataclasses import replace

    from offtraj.build.assemble import write_dataset
    from offtraj.build.inputs import sample_inputs
    from offtraj.cli.console import show_progress
    from offtraj.dataset.folder import check_target, open_folder
    from offtraj.dataset.published import published_models, published_solo
    from offtraj.grading.domains import find_domain
    from offtraj.grading.judge.judge import declared_judge
    from offtraj.grading.opening import open_grader
    from offtraj.store import Store
    from offtraj_builders.scope import select
    from offtraj_builders.steered_sets import steered_sets

    scope = select(file.spec, models=models, tests=tests)
    check_target(out, file)
    resolved_judge = declared_judge(file)
    data = None if trajectories is None else open_folder(trajectories)

    async def work() -> Manifest:
        with show_progress() as progress, Store(store_path(workspace)) as store:

            def taken(model: Model, questions: Sequence[Question]) -> Solo | None:
                if data is None or model.id not in published_models(data):
                    return None
                samples = file.spec.sampling.samples
                return published_solo(data, model, questions, samples=samples, store=store)

            async with open_grader(find_domain(file.spec.domain), store=store, judge=resolved_judge) as grader:
                sampled_inputs = await sample_inputs(
                    file, scope, store=store, grader=grader, limit=limit, taken=taken, progress=progress
                )
                if data is not None and data.manifest.verifier != sampled_inputs.graded_by:
                    sampled_inputs = replace(
                        sampled_inputs,
                        graded_by=f"{sampled_inputs.graded_by}, of published trajectories {data.manifest.verifier}",
                    )
                sets = steered_sets(sampled_inputs.inputs, scope)
                return await write_dataset(out, file, sampled_inputs, sets, limit=limit, progress=progress)

    return asyncio.run(work())
