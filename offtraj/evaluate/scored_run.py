"""A run with all its numbers and a name: what the terminal, the page and every export are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from offtraj.evaluate.run_folder import RunFolder
from offtraj.metrics.scores import Cell, VerdictCount
from offtraj.metrics.solo import SoloScore
from offtraj.metrics.summary import RunSummary
from offtraj.run.record import RunRecord

__all__ = ["ScoredRun", "name_runs", "score_run", "score_runs"]


@dataclass(frozen=True)
class ScoredRun:
    """A run and its scores."""

    name: str
    """Name in tables and figures, unique among the runs that are shown together."""
    folder: RunFolder
    """The run's folder: its record, its outcomes, and the judge's audit."""
    cells: Sequence[Cell]
    """Scores by test, variant, subset, guide and position or ratio."""
    strata: Sequence[Cell]
    """Scores by benchmark and by solve rate."""
    verdicts: Sequence[VerdictCount]
    """Number of outcomes by decider, verdict and reason."""
    solo: SoloScore | None
    """Average Pass@1 with nothing injected, where it is known."""
    summary: RunSummary
    """How prompts were sent, token usage, and what is unscored."""

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def record(self) -> RunRecord:
        """The content of `run.json`."""
        return self.folder.record

    @property
    def outcomes(self) -> int:
        """Number of outcomes."""
        return self.summary.outcomes

    @property
    def marked(self) -> str:
        """The name, marked where not all prompts were sent as token ids."""
        return self.summary.marked(self.name)

    def whole(self, *, test: str, subset: str, variant: str = "default") -> Cell | None:
        """The cell over all positions or ratios and all guides; `None` where there is none."""
        wanted = (test, subset, variant, None, None)
        for cell in self.cells:
            if (cell.test, cell.subset, cell.variant, cell.guide, cell.axis_value) == wanted:
                return cell
        return None


def score_run(folder: RunFolder, name: str | None = None) -> ScoredRun:
    """The numbers of one run, computed from its outcomes, which are read at most once.

    Args:
        folder: The run.
        name: Its name; by default the model's id.

    Raises:
        DataError: for outcomes or a field of `run.json` that cannot be read.
    """
    scores = folder.scores
    return ScoredRun(
        name=name or folder.model,
        folder=folder,
        cells=scores.cells,
        strata=scores.strata,
        verdicts=scores.verdicts,
        solo=folder.solo,
        summary=scores.summary,
    )


def score_runs(folders: Sequence[RunFolder]) -> list[ScoredRun]:
    """The numbers of several runs that are shown together, named by `name_runs`."""
    return [score_run(folder, name) for folder, name in zip(folders, name_runs(folders), strict=True)]


def name_runs(folders: Sequence[RunFolder]) -> list[str]:
    """A name for each run, in their order: different for different folders.

    The name is the model's id. Runs that share it are told apart by the shortest end of their folder's path that
    differs, such as `m (a/run)` and `m (b/run)`.
    """
    return [_name(folder, [other for other in folders if other.model == folder.model]) for folder in folders]


def _name(folder: RunFolder, same_model: Sequence[RunFolder]) -> str:
    parts = folder.path.resolve().parts
    others = [other for one in same_model if (other := one.path.resolve().parts) != parts]
    if len(same_model) == 1:
        return folder.model
    for length in range(1, len(parts) + 1):
        if all(other[-length:] != parts[-length:] for other in others):
            break
    return f"{folder.model} ({Path(*parts[-length:])})"
