"""`report`: the scores of runs, computed from their outcomes, in the terminal and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtraj.cli.options import AsCSV, AsJSON, AsLaTeX, one_format

__all__ = ["report"]

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.", show_default=False)]
EvalResults = Annotated[
    Path | None,
    typer.Option(
        "--eval-results",
        metavar="FILE|DIR",
        help="Also write the scores as results for the model's Hub repository: FILE.yaml, or DIR/.eval_results/NAME.yaml.",
        show_default=False,
    ),
]
Paper = Annotated[bool, typer.Option("--paper", help="Show the paper's numbers next to those of its models.")]
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
        help="Data set of a run, for the page; may be repeated.  [default: data/NAME-VERSION]",
        show_default=False,
    ),
]


def report(
    runs: Runs,
    paper: Paper = False,
    eval_results: EvalResults = None,
    html: Html = None,
    data: Data = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
    as_latex: AsLaTeX = False,
) -> None:
    """Print the scores of runs, the paper's Table 1 first, then positions, ratios and strata; and write their page."""
    one_format(("--json", as_json), ("--csv", as_csv), ("--latex", as_latex), ("--paper", paper))
    from offtraj.api.report import report as score
    from offtraj.cli.console import say, show
    from offtraj.report.html.page import page_files
    from offtraj.report.paper_table import paper_table
    from offtraj.report.score_tables import net_tables, overview, score_tables, strata_tables
    from offtraj.report.usage_tables import usage_tables
    from offtraj.report.verdict_tables import verdict_table

    target = html or (runs[0] / "report.html" if len(runs) == 1 else None)
    found = score(runs)
    scored = found.runs
    if target is not None:
        page_files(target)  # refuses what cannot be written, before anything is printed
    paper_tables = [paper_table(name, rows) for name, rows in found.compare_with_paper().items()] if paper else []
    results = [] if eval_results is None else found.write_eval_results(eval_results)
    for chosen, write in ((as_json, found.to_json), (as_csv, found.to_csv), (as_latex, found.to_latex)):
        if chosen:
            typer.echo(write(), nl=False)
            return
    show(overview(scored))
    for one in scored:
        show(*score_tables(one))
    show(*net_tables(scored), *strata_tables(scored))
    for one in scored:
        show(verdict_table(one), *usage_tables(one))
        say(*(f"{one.name}: {note}" for note in one.summary.notes))
    show(*paper_tables)
    for path in results:
        typer.echo(str(path))
    if target is not None:
        typer.echo(str(found.write_html(target, data=data or ())))
