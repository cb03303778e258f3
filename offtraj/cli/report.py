"""`report`: the scores of runs, computed from their outcomes, in the terminal and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.", show_default=False)]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="The page to write.  [default: RUN/report.html, of one run]", show_default=False
    ),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="DIR|ORG/NAME[@REV]",
        help="The data set that a run was made on, for the page; may be repeated.  [default: data/NAME-VERSION]",
        show_default=False,
    ),
]


def report(runs: Runs, html: Html = None, data: Data = None) -> None:
    """Print the scores of runs: the paper's Table 1 for all of them, then every cell of each; and write their page."""
    from offtraj.cli.console import console
    from offtraj.page import page_files, write_page
    from offtraj.run_folder import read_run
    from offtraj.table import overview, score_tables, verdict_table

    folders = [read_run(path) for path in runs]
    target = html or (runs[0] / "report.html" if len(runs) == 1 else None)
    if target is not None:
        page_files(target)
    scored = [(run, run.cells()) for run in folders]
    console().print(overview([(run.model, cells) for run, cells in scored]))
    for run, cells in scored:
        console().print(*score_tables(run.model, cells))
        console().print(verdict_table(run))
    if target is not None:
        print(write_page(folders, target, data=data or ()).html)
