"""Runs compared with the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offtraj.api.frame import Tabular, arrow_of_csv, html_of
from offtraj.api.report import RunLike, run_folders

if TYPE_CHECKING:
    import pyarrow as pa

    from offtraj.report.run_comparison import RunComparison

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, repr=False)
class Comparison(Tabular):
    """Paired differences of runs from a baseline."""

    runs: tuple[RunComparison, ...]
    """Each run but the baseline, with its differences and what was left out."""

    def to_arrow(self) -> pa.Table:
        """One row for each difference: the columns of `to_csv`; the unit ends a column's name, as in `Report`."""
        return arrow_of_csv(self.to_csv())

    def to_csv(self) -> str:
        """CSV, one line for each difference; scores and differences are shares from 0 to 1."""
        from offtraj.report.export import comparison_csv

        return comparison_csv(self.runs)

    def to_json(self) -> str:
        """JSON with every difference and what was left out; scores and differences are shares from 0 to 1."""
        from offtraj.report.export import comparison_json

        return comparison_json(self.runs)

    def __repr__(self) -> str:
        return f"Comparison({', '.join(one.name for one in self.runs)}; baseline: {self.runs[0].baseline})"

    def _repr_html_(self) -> str:
        """For notebooks: the tables of `offtraj compare`."""
        from offtraj.report.comparison_tables import comparison_tables

        return html_of("Comparison", [table for one in self.runs for table in comparison_tables(one)])


def compare(runs: Sequence[RunLike]) -> Comparison:
    """Compares runs with the first of them, on what they have in common.

    Runs of the same rows are paired row by row, others question by question. Each difference has its 95 % interval
    (bootstrap over questions), a p-value by permutation of questions, and that of the paper's two-sample t-test.

    Args:
        runs: Two runs or more, or their folders; the first is the baseline.

    Returns:
        The differences of each other run.

    Raises:
        UsageError: for fewer than two runs, a run that is given twice, or runs of different tests.
        DataError: for a folder that is no run, or runs that have nothing in common.
    """
    from offtraj.errors import UsageError
    from offtraj.report.run_comparison import compare_runs

    paths = [run.path for run in run_folders(runs)]
    if not paths:
        raise UsageError("runs: expected two runs or more, got none")
    return Comparison(tuple(compare_runs(paths)))
