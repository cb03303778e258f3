"""The scores of runs: as a table, as exports, and as a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from offtraj.api.frame import Tabular, arrow_of_csv, html_of
from offtraj.evaluate.run_folder import RunFolder, read_run

if TYPE_CHECKING:
    import pyarrow as pa

    from offtraj.evaluate.scored_run import ScoredRun
    from offtraj.report.paper import PaperComparison

__all__ = ["Report", "RunLike", "report", "run_folders"]

RunLike: TypeAlias = "str | os.PathLike[str] | RunFolder"
"""A run, or its folder."""


@dataclass(frozen=True, repr=False)
class Report(Tabular):
    """The scores of runs, each with its 95 % interval (bootstrap over questions)."""

    runs: tuple[ScoredRun, ...]
    """Each run with its scores: `cells` by position or ratio, `strata` by benchmark and solve rate, `solo`."""

    def to_arrow(self) -> pa.Table:
        """One row for each cell and stratum, and one for the solo score: the columns of `to_csv`.

        The unit ends a column's name: `score_share` is a share from 0 to 1, `n_outcomes` a count. Null means over all
        of them, or not known.
        """
        return arrow_of_csv(self.to_csv())

    def to_csv(self) -> str:
        """CSV, one line for each cell; scores are shares from 0 to 1."""
        from offtraj.report.export import scores_csv

        return scores_csv(self.runs)

    def to_json(self) -> str:
        """JSON with everything that `scores.json` holds of each run; scores are shares from 0 to 1."""
        from offtraj.report.export import scores_json

        return scores_json(self.runs)

    def to_latex(self) -> str:
        """`booktabs` tables, the first as the paper's Table 1; scores in percent."""
        from offtraj.report.latex import scores_latex

        return scores_latex(self.runs)

    def compare_with_paper(self) -> dict[str, list[PaperComparison]]:
        """The numbers of the paper that have a counterpart here, by the name of the run (paper, Tables 1 to 5).

        Raises:
            UsageError: for a model that the paper does not report.
        """
        from offtraj.report.paper import compare_run_with_paper

        return {one.name: compare_run_with_paper(one) for one in self.runs}

    def write_html(self, path: str | os.PathLike[str], *, data: Sequence[str] = ()) -> Path:
        """Writes a page with every score and every trajectory; texts are in a folder next to it.

        Args:
            path: The page, such as `report.html`.
            data: Data sets of the runs (folder or `ORG/NAME[@REVISION]`), where they are not in `data/NAME-VERSION`.

        Returns:
            The page's path.

        Raises:
            OutputError: when it cannot be written there.
            DataError: for a data set that is not the one that a run was made on.
        """
        from offtraj.report.html.page import write_page

        return write_page(self.runs, Path(path), data=data).html

    def write_eval_results(self, path: str | os.PathLike[str]) -> list[Path]:
        """Writes the scores as evaluation results for the model's repository on the Hub.

        Args:
            path: A `.yaml` file, or a folder that gets `.eval_results/NAME.yaml`.

        Returns:
            The files.

        Raises:
            UsageError: for runs of several models, of a part of the rows, or on a data set that is not on the Hub.
            OutputError: when a file holds other results or cannot be written.
        """
        from offtraj.hub.eval_results import write_eval_results

        return write_eval_results(Path(path), self.runs)

    def __repr__(self) -> str:
        return f"Report({', '.join(one.name for one in self.runs)})"

    def _repr_html_(self) -> str:
        """For notebooks: the overview and the scores by position or ratio."""
        from offtraj.report.score_tables import overview, score_tables

        tables = [overview(self.runs), *(table for one in self.runs for table in score_tables(one))]
        return html_of("Report", tables)


def run_folders(runs: RunLike | Sequence[RunLike]) -> list[RunFolder]:
    """Runs, opened where their folders are given.

    Raises:
        DataError: for a folder that is no run, or one that this version does not read.
    """
    several = [runs] if isinstance(runs, str | os.PathLike | RunFolder) else runs
    return [run if isinstance(run, RunFolder) else read_run(Path(run)) for run in several]


def report(runs: RunLike | Sequence[RunLike]) -> Report:
    """Scores runs from their outcomes (paper, section 3): averages over positions or ratios, and each of them.

    Args:
        runs: Runs, or their folders.

    Returns:
        The scores, in the order of the runs.

    Raises:
        UsageError: when no run is given.
        DataError: for a folder that is no run, or one that this version does not read.
    """
    from offtraj.errors import UsageError
    from offtraj.evaluate.scored_run import score_runs

    folders = run_folders(runs)
    if not folders:
        raise UsageError("runs: expected one run or more, got none")
    return Report(tuple(score_runs(folders)))
