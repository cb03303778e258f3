"""`build`: a spec becomes a data set folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offtraj.cli.options import Limit, Models, Spec, Tests, Workspace, store_path
from offtraj.cli.push import DryRun, Private, Proposed, Push, Revision, check_push, publish

if TYPE_CHECKING:
    from offtraj.dataset.manifest import Manifest

__all__ = ["build"]


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
    import asyncio

    from offtraj.build.build import build_dataset, default_folder
    from offtraj.cli.console import show, show_progress
    from offtraj.cli.tables import counts_table
    from offtraj.dataset.folder import open_folder
    from offtraj.hub.push import Destination
    from offtraj.spec import load_spec
    from offtraj.store import Store

    file = load_spec(spec)
    folder = out or default_folder(file)
    to = Destination(file.spec.publish.repo if file.spec.publish else "", revision, private, pull_request)
    check_push(file, to, push=push, dry_run=dry_run, partial=bool(models or tests or limit))
    published = None if trajectories is None else open_folder(trajectories)

    async def work() -> Manifest:
        with show_progress() as progress, Store(store_path(workspace)) as store:
            return await build_dataset(
                file,
                folder,
                models=models or (),
                tests=tests or (),
                limit=limit,
                store=store,
                trajectories=published,
                progress=progress,
            )

    manifest = asyncio.run(work())
    show(counts_table(manifest))
    for dropped in manifest.dropped_questions:
        typer.echo(f"not used: {dropped.benchmark}: {dropped.id}: {dropped.reason}", err=True)
    rows = sum(entry.rows for entry in manifest.files)
    typer.echo(f"{folder}: {manifest.name} {manifest.version}, {len(manifest.files)} files, {rows} rows")
    if push:
        publish(folder, to, dry_run=dry_run)
