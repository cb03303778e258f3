"""`build`: a spec becomes a data set folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtraj.cli.options import Limit, Models, Spec, Tests, Workspace
from offtraj.cli.push import DryRun, Private, Proposed, Push, Revision, publish, refuse_without_push

__all__ = ["build"]


def build(
    spec: Spec,
    models: Models = None,
    tests: Tests = None,
    limit: Limit = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder to write.  [default: data/NAME-VERSION]")
    ] = None,
    workspace: Workspace = Path(".offtraj"),
    trajectories: Annotated[
        str | None,
        typer.Option(
            "--trajectories",
            metavar="DIR|REPO[@REV]",
            help="Use the solo samples of this data set instead of sampling those models.",
            show_default=False,
        ),
    ] = None,
    push: Push = False,
    dry_run: DryRun = False,
    revision: Revision = "main",
    pull_request: Proposed = False,
    private: Private = False,
) -> None:
    """Build the steered sets of a spec as a data set folder for `datasets.load_dataset`, and publish it."""
    from offtraj.api.build import build as build_data
    from offtraj.api.publish import check_destination, destination
    from offtraj.api.spec import load_spec
    from offtraj.cli.console import show
    from offtraj.cli.tables import counts_table

    file = load_spec(spec)
    to = destination(file, branch=revision, private=private, pull_request=pull_request)
    if push:
        check_destination(file, to, partial=bool(models or tests or limit))
    else:
        refuse_without_push(
            {"--dry-run": dry_run, "--pr": pull_request, "--private": private, "--revision": revision != "main"}
        )
    data = build_data(
        file,
        models=models or (),
        tests=tests or (),
        limit=limit,
        out=out,
        trajectories=trajectories,
        workspace=workspace,
    )
    manifest = data.manifest
    show(counts_table(data))
    for dropped in manifest.dropped_questions:
        typer.echo(f"not used: {dropped.benchmark}: {dropped.id}: {dropped.reason}", err=True)
    rows = sum(entry.rows for entry in manifest.files)
    typer.echo(f"{data.path}: {manifest.name} {manifest.version}, {len(manifest.files)} files, {rows} rows")
    if push:
        publish(data.path, to, dry_run=dry_run)
