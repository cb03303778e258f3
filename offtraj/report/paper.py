"""The paper's numbers, and a run's beside them.

`paper.csv` has Tables 1, 2, 4 to 12 and 14 to 17 as they are printed, a row for each cell; Table 3 is the judge's
prompt, and Table 13 has the counts from which `n` and `questions` of Tables 1, 2, 14 and 16 are taken. Nothing is
put right in it: where tables disagree, both numbers stand there (the tests list where). Not in it: how Table 1 ranks
models, and the figures. Scores are left to `scores`; which runs can be held against the paper is said here.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from offtraj.errors import UsageError
from offtraj.evaluate.run_folder import RunFolder
from offtraj.metrics.scores import Cell, Interval, percent
from offtraj.spec import Subset, TestName

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "Measure",
    "PaperCell",
    "PaperComparison",
    "ReferencePoint",
    "compare_run_with_paper",
    "compare_with_paper",
    "paper_cells",
    "paper_table",
    "reference_points",
]

Domain = Literal["math", "code"]
Measure = Literal["score", "reveals", "net", "change", "solo"]
"""`score`: share of correct ones. `reveals`: share of steers that give the answer away (Table 2's and 14's "Ans.?").
`net`: the first less the second (Table 2). `change`: since the default variant (Table 7). `solo`: Pass@1 solo."""

_PLACES: dict[TestName, frozenset[float]] = {
    "recoverability": frozenset({0, 0.2, 0.4, 0.6, 0.8}),
    "guidability": frozenset({0.2, 0.4, 0.6, 0.8}),
}
"""Over which positions or ratios an average is that is printed solo (paper, section 3.1)."""


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
    """Length of the distractor, as a share of its trajectory's tokens; in recoverability only."""
    axis_value: float | None
    """Position, or ratio in guidability; none over all of them."""
    benchmark: str | None
    """For `solo`: a benchmark, or `average`, the mean over benchmarks."""
    solve_rate: str | None
    """Of the questions of this cell, such as `7/8`; in Table 9 only."""
    percent: float
    """As printed: a percentage, or percentage points for `net` and `change`."""
    n: int | None
    """Completions that it stands on, where that is known: 345 a ratio (Table 15), 200 a position (section 3.1; every
    cell of Tables 6 and 7 is a multiple of 0.5), 250 a position in those cells of Tables 8 and 10 that are multiples
    of 0.4, and Table 13's trajectories."""
    questions: int | None
    """At least so many questions they are about, by Table 13."""

    @property
    def share(self) -> float:
        """The number as a share."""
        return round(self.percent / 100, 6)  # the float nearest to what is printed

    @property
    def interval(self) -> Interval | None:
        """Wilson's 95 % interval of a share; none where neither `questions` nor `n` is known.

        From the number of questions where that is known. Otherwise from `n`, as if all completions were
        independent; those on one question are not, and this interval is too narrow.
        """
        n = self.questions or self.n
        return None if n is None or self.measure not in ("score", "reveals") else _wilson(self.share, n)


class ReferencePoint(NamedTuple):
    """A model's row in Table 1, as shares."""

    model: str
    solo: float
    """Pass@1, the mean over benchmarks."""
    recoverability: float
    guidability: float | None
    """None where the table has N/A."""


@dataclass(frozen=True, slots=True)
class PaperComparison:
    """A score of ours beside the paper's. Shares."""

    tables: tuple[int, ...]
    """Where the paper has this number."""
    paper: PaperCell
    """Its cell in the first of these tables."""
    cell: Cell
    ours: float
    """The cell's score, or its share of revealed answers where that is what the paper's number is."""

    @property
    def interval(self) -> Interval | None:
        """Ours, clustered by question; none for revealed answers."""
        return self.cell.interval if self.paper.measure == "score" else None

    @property
    def difference(self) -> float:
        """Ours less the paper's."""
        return self.ours - self.paper.share

    @property
    def paper_in_ours(self) -> bool | None:
        """Whether the paper's number lies in our interval; none where there is no interval."""
        return _within(self.paper.share, self.interval)

    @property
    def ours_in_paper(self) -> bool | None:
        """Whether our number lies in the paper's interval; none where there is no interval."""
        return _within(self.ours, self.paper.interval)


@cache
def paper_cells() -> tuple[PaperCell, ...]:
    """Every number of the paper's tables, in their order."""
    text = files("offtraj.report").joinpath("paper.csv").read_text(encoding="utf-8")
    return tuple(_cell(row) for row in csv.DictReader(text.splitlines()))


def reference_points(domain: Domain = "math", subset: Subset = "shared") -> list[ReferencePoint]:
    """Table 1: how models do solo and on trajectories that somebody else has touched."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for cell in paper_cells():
        if cell.table == 1 and cell.domain == domain and cell.subset in (None, subset):
            found[cell.model][cell.test or "solo"] = cell.share
    return [
        ReferencePoint(model, row["solo"], row["recoverability"], row.get("guidability"))
        for model, row in found.items()
    ]


def compare_with_paper(
    cells: Iterable[Cell], model: str, *, domain: Domain = "math", distractor: float | None = 0.2
) -> list[PaperComparison]:
    """Every cell that both have, in the order of ours.

    An average is compared where both are over the same positions or ratios. Table 12 does not name its subset, and is
    held against `individual`. Not compared is what scores have no cell for: solving solo (Tables 4 and 5), and solve
    rates apart (Table 9).

    Args:
        cells: Ours.
        model: Its id, which is the paper's row.
        domain: Of our questions.
        distractor: Length of our distractors, as a share of their trajectory's tokens; only the paper's scores on
            distractors of this length are held against ours (0.2, or 0.4 in Table 10).

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
    of_test = {"recoverability": None if distractor is None else round(distractor, 6), "guidability": None}
    ours: dict[_Key, list[Cell]] = defaultdict(list)
    cells = list(cells)
    for one in cells:
        if one.axis_value is not None:
            ours[_our_key(one, "score", of_test[one.test])._replace(axis_value=None)].append(one)
    found = []
    for one in cells:
        for measure in _COMPARED:
            key = _our_key(one, measure, of_test[one.test])
            parts = [one] if one.axis_value is not None else ours[key._replace(measure="score")]
            if one.axis_value is None and {part.axis_value for part in parts} != (
                axis_values[key] or _PLACES[one.test]
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


def compare_run_with_paper(run: RunFolder, cells: Sequence[Cell]) -> list[PaperComparison]:
    """A run beside the paper: `beside`, with what the run itself says of its rows.

    Args:
        run: A run on questions of mathematics, which is what this version can build.
        cells: Its scores.

    Raises:
        UsageError: for a model that the paper does not have, and for a run on another model's rows: the paper's
            models go on from their own thinking.
    """
    _check_model(run.model, "math")
    distractors: set[float] = set()
    for outcome in run.outcomes():
        if outcome.built_for != run.model:
            raise UsageError(
                f"{run.path}: {run.model!r} went on from rows that were built for {outcome.built_for!r}, and the paper "
                f"has every model go on from its own: run it on those that were built for it"
            )
        if outcome.test == "recoverability":
            distractors.add(outcome.ratio)
    if len(distractors) > 1:
        lengths = ", ".join(f"{length:g}" for length in sorted(distractors))
        raise UsageError(f"{run.path}: has distractors of several lengths ({lengths}), of which the paper has none")
    return compare_with_paper(cells, run.model, distractor=next(iter(distractors), None))


def paper_table(name: str, rows: Sequence[PaperComparison]) -> Table:
    """Ours beside the paper's, for the terminal."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=f"{name}: beside the paper, in percent (95 %)",
        caption=None if rows else "No cell is in both.",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        pad_edge=False,
    )
    for header in ("test", "variant", "subset", "guide"):
        table.add_column(header)
    for header in ("at", "ours", "the paper's", "table", "difference"):
        table.add_column(header, justify="right")
    table.add_column("paper's\nin ours")
    table.add_column("ours in\npaper's")
    for row in rows:
        cell = row.cell
        table.add_row(
            cell.test if row.paper.measure == "score" else "revealed answers",
            cell.variant,
            cell.subset,
            cell.guide or ("all" if cell.test == "guidability" else ""),
            "average" if cell.axis_value is None else f"{cell.axis_value:.0%}",
            percent(row.ours, row.interval),
            percent(row.paper.share, row.paper.interval),
            ", ".join(map(str, row.tables)),
            f"{100 * row.difference:+.1f}",
            _ANSWERS[row.paper_in_ours],
            _ANSWERS[row.ours_in_paper],
        )
    return table


_ANSWERS = {True: "yes", False: "no", None: "–"}
_COMPARED: tuple[Measure, ...] = ("score", "reveals")


class _Key(NamedTuple):
    """What two cells must share to be held against each other."""

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
        raise UsageError(f"model {model!r}: is none of the paper's on {domain}, which are {', '.join(known)}")


def _key(cell: PaperCell) -> _Key:
    assert cell.test is not None
    subset = cell.subset or "individual"
    return _Key(cell.measure, cell.test, cell.variant, subset, cell.guide, cell.distractor, cell.axis_value)


def _our_key(cell: Cell, measure: Measure, distractor: float | None) -> _Key:
    axis_value = None if cell.axis_value is None else round(cell.axis_value, 6)
    return _Key(measure, cell.test, cell.variant, cell.subset, cell.guide, distractor, axis_value)


def _revealed(cells: Sequence[Cell]) -> float | None:
    """Share of outcomes whose steer gives the answer away, the mean over ratios."""
    return fmean(cell.revealed / cell.n for cell in cells) if cells and all(cell.n for cell in cells) else None


def _within(share: float, interval: Interval | None) -> bool | None:
    return None if interval is None else interval.low <= share <= interval.high


def _wilson(share: float, n: int) -> Interval:
    """Wilson's interval, for a share that is printed to three digits and so no whole number of `n`."""
    z = NormalDist().inv_cdf(0.975)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def _cell(row: dict[str, str]) -> PaperCell:
    values: dict[str, Any] = {name: value or None for name, value in row.items()}
    for names, kind in ((("table", "n", "questions"), int), (("distractor", "axis_value", "percent"), float)):
        values |= {name: kind(values[name]) for name in names if values[name] is not None}
    return PaperCell(**values)
