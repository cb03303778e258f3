"""`quickstart`: the twin tests for real, on models and questions that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtraj.cli.options import Limit, Workspace, store_path

__all__ = ["quickstart"]

All = Annotated[bool, typer.Option("--all", help="The whole family, on more questions.")]


def quickstart(everyone: All = False, limit: Limit = None, workspace: Workspace = Path(".offtraj")) -> None:
    """Build and run the twin tests with pocket models: minutes on two cores, without a GPU or the network.

    Makes `data/` and `runs/` in the current folder, as `build` and `run` do, prints the tables of `report`, and writes its page.
    """
    import asyncio

    from offtraj._util.packaged import packaged
    from offtraj.build.build import built_dataset
    from offtraj.cli.console import show, show_progress
    from offtraj.dataset.folder import DataFolder
    from offtraj.evaluate.evaluate import choose_sets, evaluate, find_evaluated_model
    from offtraj.evaluate.run_folder import RunFolder
    from offtraj.evaluate.scored_run import score_runs
    from offtraj.report.html.page import page_files, write_page
    from offtraj.report.score_tables import overview, score_tables
    from offtraj.report.solo_table import solo_table
    from offtraj.spec import load_spec
    from offtraj.store import Store

    file = load_spec(packaged("quickstart") / ("family.yaml" if everyone else "quickstart.yaml"))

    async def work() -> tuple[DataFolder, list[RunFolder]]:
        runs = []
        with show_progress() as progress, Store(store_path(workspace)) as store:
            data = await built_dataset(file, store=store, limit=limit, progress=progress)
            for model in file.spec.models:
                evaluated = find_evaluated_model(file, model.id, None)
                sets = choose_sets(data, model.id, built_for=None, tests=(), limit=None)
                folder = Path("runs") / f"{data.path.name}--{model.id}"
                runs.append(await evaluate(sets, evaluated, out=folder, store=store, progress=progress))
        return data, runs

    page = Path("report.html")
    page_files(page)
    data, runs = asyncio.run(work())
    scored = score_runs(runs)
    for one in scored:
        show(*score_tables(one))
    show(solo_table(data), overview(scored))
    write_page(scored, page)
    typer.echo(f"Kept in {data.path} and runs/{data.path.name}--*; models and spec: {file.path.parent}")
    typer.echo(f"Every score with its interval, and every trajectory: {page}")
