"""The paper's numbers, and how the scores of a run compare with them.

`paper.csv` contains Tables 1, 2, 4 to 12 and 14 to 17 as printed, one row for each cell; Table 3 is the judge's
prompt, and Table 13 has the counts from which `n` and `questions` of Tables 1, 2, 14 and 16 are taken. Nothing is
corrected: where tables disagree, both numbers are kept (the tests list them). The ranks of Table 1 and the figures
are left out. Scores are computed in `offtraj.metrics`, the table is rendered in `paper_table`.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import fmean
from typing import Any, Literal, NamedTuple

from offtraj.errors import UsageError
from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.intervals import Interval, wilson_interval
from offtraj.metrics.scores import Cell
from offtraj.spec import Subset, TestName
from offtraj_builders.definitions import TESTS

__all__ = [
    "Domain",
    "Measure",
    "PaperCell",
    "PaperComparison",
    "ReferencePoint",
    "compare_run_with_paper",
    "compare_with_paper",
    "paper_cells",
    "reference_points",
]

Domain = Literal["math", "code"]
Measure = Literal["score", "reveals", "net", "change", "solo"]
"""`score`: share of correct outcomes. `reveals`: share of steers that contain the answer ("Ans.?" in Tables 2 and 14).
`net`: `score` less `reveals` (Table 2). `change`: difference from the default variant (Table 7). `solo`: Pass@1."""


@dataclass(frozen=True, slots=True)
class PaperCell:
    """One number of one table."""

    table: int
    domain: Domain
    model: str
    """An id of `specs/math.yaml`; `average` in the last row of Table 2."""
    measure: Measure
    test: TestName | None
    """None for `solo`."""
    variant: str | None
    subset: Subset | None
    """None for `solo`, and in Table 12, which does not say."""
    guide: str | None
    """None over all guides."""
    distractor: float | None
    """Length of the distractor as a share of its trajectory's tokens; only in the test whose axis is the position."""
    axis_value: float | None
    """Position or ratio; none over all of them."""
    benchmark: str | None
    """For `solo`: a benchmark, or `average`, the mean over benchmarks."""
    solve_rate: str | None
    """Solo solve rate of the questions, such as `7/8`; in Table 9 only."""
    percent: float
    """As printed: percent, or percentage points for `net` and `change`."""
    n: int | None
    """Number of completions, where it is known: 345 a ratio (Table 15), 200 a position (section 3.1; every
    cell of Tables 6 and 7 is a multiple of 0.5), 250 a position in those cells of Tables 8 and 10 that are multiples
    of 0.4, and Table 13's trajectories."""
    questions: int | None
    """Lower bound on the number of questions, from Table 13."""

    @property
    def share(self) -> float:
        """The number as a share."""
        return round(self.percent / 100, 6)  # the float nearest to the printed number

    @property
    def interval(self) -> Interval | None:
        """Wilson's 95 % interval of a share; none where neither `questions` nor `n` is known.

        It is based on the number of questions where that is known. Otherwise it is based on `n` and too narrow,
        because completions on the same question are not independent.
        """
        n = self.questions or self.n
        return None if n is None or self.measure not in ("score", "reveals") else wilson_interval(self.share, n)


class ReferencePoint(NamedTuple):
    """A model's row in Table 1, as shares."""

    model: str
    solo: float
    """Pass@1, the mean over benchmarks."""
    scores: Mapping[TestName, float]
    """Average by test; a test is missing where the table has N/A."""


@dataclass(frozen=True, slots=True)
class PaperComparison:
    """A score of a run and the paper's. Shares, not percent."""

    tables: tuple[int, ...]
    """Tables of the paper that contain this number."""
    paper: PaperCell
    """The cell of the first of these tables."""
    cell: Cell
    ours: float
    """The cell's score, or its share of revealed answers if the paper's number is one."""

    @property
    def interval(self) -> Interval | None:
        """Ours, clustered by question; none for revealed answers."""
        return self.cell.interval if self.paper.measure == "score" else None

    @property
    def difference(self) -> float:
        """Our number minus the paper's."""
        return self.ours - self.paper.share

    @property
    def paper_in_ours(self) -> bool | None:
        """Whether the paper's number is within our interval; none without an interval."""
        return _within(self.paper.share, self.interval)

    @property
    def ours_in_paper(self) -> bool | None:
        """Whether our number is within the paper's interval; none without an interval."""
        return _within(self.ours, self.paper.interval)


@cache
def paper_cells() -> tuple[PaperCell, ...]:
    """All numbers of the paper's tables, in their order."""
    text = files("offtraj.report").joinpath("paper.csv").read_text(encoding="utf-8")
    return tuple(_cell(row) for row in csv.DictReader(text.splitlines()))


def reference_points(domain: Domain = "math", subset: Subset = "shared") -> list[ReferencePoint]:
    """The rows of Table 1: solo scores and averages of the tests."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for cell in paper_cells():
        if cell.table == 1 and cell.domain == domain and cell.subset in (None, subset):
            found[cell.model][cell.test or "solo"] = cell.share
    return [
        ReferencePoint(model, row["solo"], {test: share for test, share in row.items() if test != "solo"})
        for model, row in found.items()
    ]


def compare_with_paper(
    cells: Iterable[Cell], model: str, *, domain: Domain = "math", distractor: float | None = 0.2
) -> list[PaperComparison]:
    """All cells that both a run and the paper have, in the order of the run's.

    An average is compared only if both are over the same positions or ratios. Table 12 does not name its subset and
    is compared with `individual`. Solo scores (Tables 4 and 5) and solve rates (Table 9) are not compared.

    Args:
        cells: Scores of the run.
        model: The model's id, which names a row in the paper's tables.
        domain: Domain of the questions.
        distractor: Length of the distractors as a share of their trajectory's tokens; they are compared with the
            paper's scores on distractors of the same length (0.2, or 0.4 in Table 10).

    Raises:
        UsageError: for a model that the paper does not have.
    """
    _check_model(model, domain)
    papers: dict[_Key, list[PaperCell]] = defaultdict(list)
    axis_values: dict[_Key, set[float]] = defaultdict(set)
    for cell in paper_cells():
        if (cell.model, cell.domain) == (model, domain) and cell.test is not None and cell.solve_rate is None:
            papers[_key(cell)].append(cell)
            if cell.axis_value is not None:
                axis_values[_key(cell)._replace(axis_value=None)].add(cell.axis_value)
    by_position = {test.name for test in TESTS if test.axis.name == "position"}
    of_test = {test: None if distractor is None else round(distractor, 6) for test in by_position}
    ours: dict[_Key, list[Cell]] = defaultdict(list)
    cells = list(cells)
    for one in cells:
        if one.axis_value is not None:
            ours[_our_key(one, "score", of_test.get(one.test))._replace(axis_value=None)].append(one)
    found = []
    for one in cells:
        for measure in _COMPARED:
            key = _our_key(one, measure, of_test.get(one.test))
            parts = [one] if one.axis_value is not None else ours[key._replace(measure="score")]
            if one.axis_value is None and {part.axis_value for part in parts} != (
                axis_values[key] or _printed_values(one.test)
            ):
                continue
            number = one.score if measure == "score" else _revealed(parts)
            if number is None:
                continue
            printed: dict[float, list[PaperCell]] = defaultdict(list)
            for paper in papers[key]:
                printed[paper.percent].append(paper)
            found += [PaperComparison(tuple(p.table for p in same), same[0], one, number) for same in printed.values()]
    return found


def compare_run_with_paper(run: ScoredRun) -> list[PaperComparison]:
    """The result of `compare_with_paper`, with the length of distractors read from the run.

    Args:
        run: A run on questions of mathematics.

    Raises:
        UsageError: for a model that the paper does not have, for distractors of several lengths, and for a run on
            rows that were built for another model: in the paper every model continues its own thinking.
    """
    model = run.record.model.id
    _check_model(model, "math")
    distractors: set[float] = set()
    for outcome in run.folder.outcomes():
        if outcome.built_for != model:
            raise UsageError(
                f"{run.path}: {model!r} continued rows that were built for {outcome.built_for!r}, and in the paper "
                "every model continues its own thinking: run it on the rows built for it"
            )
        if outcome.position is not None:
            distractors.add(outcome.ratio)
    if len(distractors) > 1:
        lengths = ", ".join(f"{length:g}" for length in sorted(distractors))
        raise UsageError(
            f"{run.path}: has distractors of several lengths ({lengths}), and the paper has no such scores: report "
            "runs with one length each"
        )
    return compare_with_paper(run.cells, model, distractor=next(iter(distractors), None))


_COMPARED: tuple[Measure, ...] = ("score", "reveals")


class _Key(NamedTuple):
    """The fields in which two cells must agree to be compared."""

    measure: Measure
    test: TestName
    variant: str | None
    subset: str
    guide: str | None
    distractor: float | None
    axis_value: float | None


def _check_model(model: str, domain: Domain) -> None:
    known = [point.model for point in reference_points(domain)]
    if model not in known:
        raise UsageError(
            f"model {model!r}: the paper has no scores of it on {domain}: its models are {', '.join(known)}"
        )


def _key(cell: PaperCell) -> _Key:
    assert cell.test is not None
    subset = cell.subset or "individual"
    return _Key(cell.measure, cell.test, cell.variant, subset, cell.guide, cell.distractor, cell.axis_value)


def _our_key(cell: Cell, measure: Measure, distractor: float | None) -> _Key:
    axis_value = None if cell.axis_value is None else round(cell.axis_value, 6)
    return _Key(measure, cell.test, cell.variant, cell.subset, cell.guide, distractor, axis_value)


def _revealed(cells: Sequence[Cell]) -> float | None:
    """Share of outcomes whose steer contains the gold answer, the mean over ratios."""
    return fmean(cell.revealed / cell.n for cell in cells) if cells and all(cell.n for cell in cells) else None


def _within(share: float, interval: Interval | None) -> bool | None:
    return None if interval is None else interval.low <= share <= interval.high


@cache
def _printed_values(test: TestName) -> frozenset[float]:
    """The positions or ratios of the paper's tables, over which its averages are taken (section 3.1)."""
    return frozenset(c.axis_value for c in paper_cells() if c.test == test and c.axis_value is not None)


def _cell(row: dict[str, str]) -> PaperCell:
    values: dict[str, Any] = {name: value or None for name, value in row.items()}
    for names, kind in ((("table", "n", "questions"), int), (("distractor", "axis_value", "percent"), float)):
        values |= {name: kind(values[name]) for name in names if values[name] is not None}
    return PaperCell(**values)
