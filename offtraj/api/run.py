"""A run: a model's outcomes on a data set, as Arrow or pandas."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from offtraj.api.frame import Tabular, html_of
from offtraj.evaluate.run_folder import OUTCOMES, RunFolder, read_run

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Run", "RunFolder", "as_run", "open_run", "over_tolerance"]


@dataclass(frozen=True, repr=False)
class Run(RunFolder, Tabular):
    """A run: its folder (`path`), its record (`run.json`) and its outcomes, from which every score is computed."""

    def to_arrow(self) -> pa.Table:
        """One row for each outcome: the steered row, the completion, its tokens, the verdict and its reason.

        Raises:
            DataError: when the outcomes cannot be read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from offtraj.errors import DataError

        path = self.path / OUTCOMES
        try:
            return pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: cannot be read as Parquet: {error}") from error

    def __repr__(self) -> str:
        counts = ", ".join(f"{n:,} {verdict}" for verdict, n in self.counts.items())
        return f"Run({str(self.path)!r}: {self.model}, {counts})"

    def _repr_html_(self) -> str:
        """For notebooks: the scores of `offtraj run`."""
        from offtraj.api.report import report
        from offtraj.report.score_tables import overview, score_tables

        (one,) = report(self).runs
        return html_of(self.model, [*score_tables(one), overview([one])], {"run": self.path, **self.counts})

    @property
    def counts(self) -> dict[str, int]:
        """Outcomes by verdict: `correct`, `incorrect` and `unscored`."""
        counts = self.record.outcomes
        return {} if counts is None else {verdict: getattr(counts, verdict) for verdict in type(counts).model_fields}


def as_run(folder: RunFolder) -> Run:
    """The same run as a value of the API."""
    if isinstance(folder, Run):
        return folder
    return Run(**{field.name: getattr(folder, field.name) for field in fields(folder)})


def over_tolerance(run: RunFolder, tolerance: float) -> bool:
    """Whether more than a share of a run's outcomes, from 0 to 1, is unscored."""
    from offtraj.evaluate.evaluate import over_tolerance as over

    return over(run.record, tolerance)


def open_run(path: str | os.PathLike[str]) -> Run:
    """A run that was made before.

    Args:
        path: The run's folder, by `offtraj run` `runs/NAME-VERSION--MODEL`.

    Returns:
        The run. Its outcomes are read when they are needed.

    Raises:
        DataError: when the folder is no run, or one that this version does not read.
    """
    return as_run(read_run(Path(path)))
