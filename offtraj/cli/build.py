"""`build`: a spec becomes a data set folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offtraj.cli.options import Limit, Models, Spec, Tests, Workspace, store_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offtraj.publishing import Manifest
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
) -> None:
    """Make the steered sets of a spec, as a data set folder that `datasets.load_dataset` opens."""
    from offtraj.cli.console import console
    from offtraj.spec import load_spec
    from offtraj.table import counts_table

    file = load_spec(spec)
    folder = out or default_folder(file)
    manifest = build_folder(file, folder, models=models or (), tests=tests or (), limit=limit, workspace=workspace)
    console().print(counts_table(manifest))
    for dropped in manifest.dropped_questions:
        typer.echo(f"not used: {dropped.benchmark}: {dropped.id}: {dropped.reason}", err=True)
    rows = sum(entry.rows for entry in manifest.files)
    typer.echo(f"{folder}: {manifest.name} {manifest.version}, {len(manifest.files)} files, {rows} rows")


def default_folder(file: SpecFile) -> Path:
    """Where a spec's data set goes when nothing else is said."""
    return Path("data") / f"{file.spec.name}-{file.spec.version}"


def build_folder(
    file: SpecFile, out: Path, *, models: Sequence[str], tests: Sequence[str], limit: int | None, workspace: Path
) -> Manifest:
    """Gather, compose and write; what was sampled before is taken from the workspace."""
    import asyncio

    from offtraj.cli.console import stages
    from offtraj.dataset import write_dataset
    from offtraj.publishing import check_target
    from offtraj.store import Store
    from offtraj.verify import Grader, RuleVerifier, declared_judge, open_judge
    from offtraj_builders import gather, select, steered_sets

    selection = select(file.spec, models=models, tests=tests)
    check_target(out, file)
    judge_at = declared_judge(file)

    async def work() -> Manifest:
        with stages() as stage, Store(store_path(workspace)) as store:
            verifier, judge = RuleVerifier(), open_judge(judge_at, store)
            grader = Grader(verifier, store, judge)
            try:
                gathered = await gather(file, selection, store=store, grader=grader, limit=limit, stage=stage)
                sets = steered_sets(gathered, selection)
                return await write_dataset(out, file, gathered, sets, limit=limit, stage=stage)
            finally:
                await verifier.close()
                if judge is not None:
                    await judge.close()

    return asyncio.run(work())
