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
        help="Write the scores as results for the model's Hub repository, too: FILE.yaml, or DIR/.eval_results/NAME.yaml.",
        show_default=False,
    ),
]
Paper = Annotated[bool, typer.Option("--paper", help="Show the paper's numbers beside those of its models.")]
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
    """Print the scores of runs: the paper's Table 1 for all of them, then positions, ratios and strata; and write their page."""
    one_format(("--json", as_json), ("--csv", as_csv), ("--latex", as_latex), ("--paper", paper))
    from offtraj.cli.console import say, show
    from offtraj.hub.eval_results import write_eval_results
    from offtraj.report.comparison_tables import guidability_table, strata_tables
    from offtraj.report.export import scores_csv, scores_json, scores_latex
    from offtraj.report.html.page import page_files, write_page
    from offtraj.report.paper import compare_run_with_paper, paper_table
    from offtraj.report.scored_run import scored_runs
    from offtraj.report.tables import overview, score_tables, verdict_table
    from offtraj.report.usage_tables import usage_tables

    scored = scored_runs(runs)
    target = html or (runs[0] / "report.html" if len(runs) == 1 else None)
    if target is not None:
        page_files(target)
    compare_with_paper = (
        [paper_table(one.name, compare_run_with_paper(one.folder, one.cells)) for one in scored] if paper else []
    )
    results = [] if eval_results is None else write_eval_results(eval_results, scored)
    for asked, write in ((as_json, scores_json), (as_csv, scores_csv), (as_latex, scores_latex)):
        if asked:
            typer.echo(write(scored), nl=False)
            return
    show(overview([(one.marked, one.cells) for one in scored], [one.solo for one in scored]))
    for one in scored:
        show(*score_tables(one.name, one.cells))
    show(guidability_table(scored), *strata_tables(scored))
    for one in scored:
        show(verdict_table(one.folder), *usage_tables(one))
        say(*(f"{one.name}: {note}" for note in one.summary.notes))
    show(*compare_with_paper)
    for path in results:
        typer.echo(str(path))
    if target is not None:
        typer.echo(str(write_page([one.folder for one in scored], target, data=data or ()).html))
