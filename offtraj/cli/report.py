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
    from offtraj.evaluate.run_folder import read_run
    from offtraj.evaluate.scored_run import score_runs
    from offtraj.hub.eval_results import write_eval_results
    from offtraj.report.export import scores_csv, scores_json
    from offtraj.report.html.page import page_files, write_page
    from offtraj.report.latex import scores_latex
    from offtraj.report.paper import compare_run_with_paper
    from offtraj.report.paper_table import paper_table
    from offtraj.report.score_tables import net_tables, overview, score_tables, strata_tables
    from offtraj.report.usage_tables import usage_tables
    from offtraj.report.verdict_tables import verdict_table

    scored = score_runs([read_run(path) for path in runs])
    target = html or (runs[0] / "report.html" if len(runs) == 1 else None)
    if target is not None:
        page_files(target)
    with_paper = [paper_table(one.name, compare_run_with_paper(one)) for one in scored] if paper else []
    results = [] if eval_results is None else write_eval_results(eval_results, scored)
    for asked, write in ((as_json, scores_json), (as_csv, scores_csv), (as_latex, scores_latex)):
        if asked:
            typer.echo(write(scored), nl=False)
            return
    show(overview(scored))
    for one in scored:
        show(*score_tables(one))
    show(*net_tables(scored), *strata_tables(scored))
    for one in scored:
        show(verdict_table(one), *usage_tables(one))
        say(*(f"{one.name}: {note}" for note in one.summary.notes))
    show(*with_paper)
    for path in results:
        typer.echo(str(path))
    if target is not None:
        typer.echo(str(write_page(scored, target, data=data or ()).html))
