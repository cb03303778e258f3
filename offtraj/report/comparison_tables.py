"""What runs add up to as tables for the terminal: net of revealed answers, by stratum, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.comparison import Difference
from offtraj.metrics.intervals import Interval, percent
from offtraj.metrics.scores import Cell
from offtraj.report.scored_run import Compared
from offtraj.run.solo import rate_order
from offtraj.spec import TestName

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["comparison_tables", "guidability_table", "points", "strata_tables"]

_SUBSETS = ("shared", "individual")


def guidability_table(runs: Sequence[ScoredRun]) -> Table | None:
    """Guidability raw, net of revealed answers, and with answers forced; `None` where it was not run.

    Raw and net differ by rows whose steer gives the gold answer away; forced answers say how much of a score the
    steer's words solo are good for (paper, section 3.2 and Table 17).
    """
    lines = [
        (run, cell, run.whole(test="guidability", subset=subset, variant="answer-forcing"))
        for run in runs
        for subset in _SUBSETS
        if (cell := run.whole(test="guidability", subset=subset)) is not None
    ]
    if not lines:
        return None
    table = _table("Guidability net of revealed answers and beside forced ones, default variant, in percent (95 %)")
    for header in ("model", "subset"):
        table.add_column(header)
    for header in ("raw", "revealed", "net", "answer forced"):
        table.add_column(header, justify="right")
    for run, cell, forced in lines:
        table.add_row(
            run.name,
            cell.subset,
            percent(cell.score, cell.interval),
            f"{cell.revealed} of {cell.n}",
            percent(cell.net_score, cell.net_interval),
            "–" if forced is None else percent(forced.score, forced.interval),
        )
    return table


def strata_tables(runs: Sequence[ScoredRun]) -> list[Table]:
    """The default variant by benchmark and by solve rate, a table a test; whatever has one stratum only says nothing."""
    tables = []
    for test, axis_value in (("recoverability", "positions"), ("guidability", "ratios")):
        cells = {
            (run.name, cell.subset, stratum): cell
            for run in runs
            for cell in run.strata
            if (cell.test, cell.variant, cell.axis_value) == (test, "default", None)
            and (stratum := cell.benchmark or cell.solve_rate) is not None
        }
        found = list(cells.values())
        benchmarks = sorted({cell.benchmark for cell in found if cell.benchmark is not None})
        rates = sorted({cell.solve_rate for cell in found if cell.solve_rate is not None}, key=rate_order)
        columns = [name for names in (benchmarks, rates) if len(names) > 1 for name in names]
        if not columns:
            continue
        table = _table(
            f"{test.capitalize()} by {'benchmark and ' if len(benchmarks) > 1 else ''}solve rate solo, average over "
            f"{axis_value}, default variant, in percent, and of how many outcomes"
        )
        for header in ("model", "subset"):
            table.add_column(header)
        for column in columns:
            table.add_column(column, justify="right")
        for name, subset in dict.fromkeys((name, subset) for name, subset, _ in cells):
            table.add_row(name, subset, *(_of(cells.get((name, subset, column))) for column in columns))
        tables.append(table)
    return tables


def comparison_tables(compared: Compared) -> list[Table]:
    """What a run scores more than the baseline: a table a test, a row for each variant, subset and guide."""
    differences = compared.comparison.differences
    tests: list[TestName] = list(dict.fromkeys(one.test for one in differences))
    tables = [_comparison(compared, test, [one for one in differences if one.test == test]) for test in tests]
    left = [
        f"{one.test}, {one.variant}, {one.subset}: {one.first} outcomes of {compared.baseline}, "
        f"{one.second} of {compared.name}"
        for one in compared.comparison.left_out
        if one.guide is None
    ]
    if left:
        table = _table("Nothing in common, so not compared")
        table.add_column("", overflow="fold")
        table.show_header = False
        for line in left:
            table.add_row(line)
        tables.append(table)
    return tables


def points(difference: float, interval: Interval | None = None) -> str:
    """A difference in percentage points, with its interval in parentheses."""
    text = _signed(difference)
    return text if interval is None else f"{text} ({_signed(interval.low)} to {_signed(interval.high)})"


def _comparison(compared: Compared, test: TestName, differences: Sequence[Difference]) -> Table:
    unit = differences[0].by
    title = f"{test}: {compared.name} minus {compared.baseline}, paired by {unit}, in percentage points"
    note = "p: runs swapped question by question; t-test: two samples, unpaired, as the paper's; neither is adjusted"
    table = _table(title, caption=note, caption_justify="left")
    for header in ("variant", "subset", *(["guide"] if test == "guidability" else [])):
        table.add_column(header)
    axis_values = sorted({axis_value for one in differences if (axis_value := one.axis_value) is not None})
    counts = [name for name in _COUNTS if name != "unscored" or any(one.unscored for one in differences)]
    names = {
        "common": f"common {'rows' if unit == 'row' else 'units'}",
        "only_first": f"only {compared.baseline}",
        "only_second": f"only {compared.name}",
    }
    headers = (*(f"{axis_value:.0%}" for axis_value in axis_values), "average (95 %)", "p", "t-test")
    for header in (*headers, *(names.get(name, name) for name in counts)):
        table.add_column(header, justify="right")
    rows: dict[tuple[str, str, str | None], dict[float | None, Difference]] = {}
    for one in differences:
        rows.setdefault((one.variant, one.subset, one.guide), {})[one.axis_value] = one
    for (variant, subset, guide), row in rows.items():
        whole = row[None]
        table.add_row(
            variant,
            subset,
            *([guide or "all"] if test == "guidability" else []),
            *(points(row[axis_value].difference) if axis_value in row else "–" for axis_value in axis_values),
            points(whole.difference, whole.interval),
            _p(whole.p),
            _p(whole.t_test_p),
            *(f"{getattr(whole, name):,}" for name in counts),
        )
    return table


_COUNTS = ("common", "questions", "unscored", "only_first", "only_second")


def _of(cell: Cell | None) -> str:
    return "–" if cell is None else f"{percent(cell.score)} of {cell.n}"


def _signed(share: float) -> str:
    rounded = round(100 * share, 1)
    return "0.0" if rounded == 0 else f"{rounded:+.1f}".replace("-", "−")


def _p(p: float | None) -> str:
    return "–" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def _table(title: str, **style: Any) -> Table:
    from rich import box
    from rich.table import Table

    return Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, **style)
