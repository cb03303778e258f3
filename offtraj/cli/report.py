"""`report`: the scores of runs, computed from their outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.", show_default=False)]
EvalResults = Annotated[
    Path | None,
    typer.Option(
        "--eval-results",
        metavar="FILE|DIR",
        help="Write the scores as results for the model's Hub repository, too: FILE.yaml, or DIR/.eval_results/NAME.yaml.",
        show_default=False,
    ),
]
Paper = Annotated[bool, typer.Option("--paper", help="Show the paper's numbers beside those of its models.")]


def report(runs: Runs, eval_results: EvalResults = None, paper: Paper = False) -> None:
    """Print the scores of runs: the paper's Table 1 for all of them, then every cell of each."""
    from offtraj.cli.console import console
    from offtraj.eval_results import write_eval_results
    from offtraj.paper import beside_run, beside_table
    from offtraj.run_folder import read_run
    from offtraj.table import overview, score_tables, verdict_table

    scored = [(run, run.cells()) for run in map(read_run, runs)]
    beside = [beside_table(run.model, beside_run(run, cells)) for run, cells in scored] if paper else []
    console().print(overview([(run.model, cells) for run, cells in scored]))
    for run, cells in scored:
        console().print(*score_tables(run.model, cells))
        console().print(verdict_table(run))
    for table in beside:
        console().print(table)
    if eval_results is not None:
        for path in write_eval_results(eval_results, [run for run, _ in scored]):
            typer.echo(str(path))
