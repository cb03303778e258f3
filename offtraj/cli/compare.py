"""`compare`: runs against the first of them, on what they have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtraj.cli.options import AsCSV, AsJSON, one_format

__all__ = ["compare"]

Runs = Annotated[
    list[Path],
    typer.Argument(metavar="RUN RUN...", help="Run folders; the first is the baseline.", show_default=False),
]


def compare(runs: Runs, as_json: AsJSON = False, as_csv: AsCSV = False) -> None:
    """How runs differ from the first of them: paired differences on common rows or questions.

    Each has its 95 % interval (bootstrap over questions), a p-value by permutation of questions, and that of the
    paper's two-sample t-test. Runs of the same rows are paired row by row, others question by question.
    """
    one_format(("--json", as_json), ("--csv", as_csv))
    from offtraj.api.compare import compare as compare_runs
    from offtraj.cli.console import show
    from offtraj.report.comparison_tables import comparison_tables

    compared = compare_runs(runs)
    if as_json:
        typer.echo(compared.to_json(), nl=False)
    elif as_csv:
        typer.echo(compared.to_csv(), nl=False)
    else:
        show(*(table for one in compared.runs for table in comparison_tables(one)))
