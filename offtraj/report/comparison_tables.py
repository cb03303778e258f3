"""Differences between two runs as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from offtraj.metrics.comparison import Difference
from offtraj.metrics.intervals import Interval
from offtraj.report.labels import NO_INTERVAL, SMALL, axis_values, is_guided
from offtraj.report.run_comparison import RunComparison
from offtraj.report.table import make_table, shade

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["comparison_tables", "points"]

_P_NOTE = (
    "p: permutation of the runs within questions; t-test: two unpaired samples, as in the paper; neither is adjusted "
    "for multiple comparisons"
)
_COUNTS = ("common", "questions", "unscored", "only_first", "only_second")


def comparison_tables(compared: RunComparison) -> list[Table]:
    """Differences in percentage points: a table for each test, with a row for each variant, subset and guide."""
    differences = compared.comparison.differences
    tests = list(dict.fromkeys(one.test for one in differences))
    tables = [_comparison(compared, test, [one for one in differences if one.test == test]) for test in tests]
    left = [one for one in compared.comparison.left_out if one.guide is None]
    if left:
        table = make_table("Nothing in common, so not compared")
        table.add_column("", overflow="fold")
        table.show_header = False
        for one in left:
            counts = f"{one.first} outcomes of {compared.baseline}, {one.second} of {compared.name}"
            table.add_row(f"{one.test}, {one.variant}, {one.subset}: {counts}")
        tables.append(table)
    return tables


def points(difference: float, interval: Interval | None = None) -> str:
    """A difference in percentage points, with its interval in parentheses."""
    text = _signed(difference)
    return text if interval is None else f"{text} ({_signed(interval.low)} to {_signed(interval.high)})"


def _comparison(compared: RunComparison, test: str, differences: Sequence[Difference]) -> Table:
    unit, guided, values = differences[0].by, is_guided(test, differences), axis_values(differences)
    counts = [name for name in _COUNTS if name != "unscored" or any(one.unscored for one in differences)]
    names = {
        "common": f"common {'rows' if unit == 'row' else 'units'}",
        "only_first": f"only {compared.baseline}",
        "only_second": f"only {compared.name}",
    }
    table = make_table(
        f"{test}: {compared.name} minus {compared.baseline}, paired by {unit}, in percentage points",
        ["variant", "subset", *(["guide"] if guided else [])],
        [
            *(f"{value:.0%}" for value in values),
            *("average (95 %)", "p", "t-test"),
            *(names.get(name, name) for name in counts),
        ],
        notes=[
            _P_NOTE,
            f"* {SMALL}" if any(one.is_small for one in differences) else "",
            NO_INTERVAL if any(one.interval is None for one in differences if one.axis_value is None) else "",
        ],
    )
    rows: dict[tuple[str, str, str | None], dict[float | None, Difference]] = {}
    for one in differences:
        rows.setdefault((one.variant, one.subset, one.guide), {})[one.axis_value] = one
    for (variant, subset, guide), row in rows.items():
        whole = row[None]
        table.add_row(
            *(variant, subset, *([guide or "all"] if guided else [])),
            *(_at(row.get(value)) for value in values),
            shade(points(whole.difference, whole.interval), small=whole.is_small),
            _p(whole.p),
            _p(whole.t_test_p),
            *(f"{getattr(whole, name):,}" for name in counts),
        )
    return table


def _at(one: Difference | None) -> Text | str:
    return "–" if one is None else shade(points(one.difference), small=one.is_small)


def _signed(share: float) -> str:
    rounded = round(100 * share, 1)
    return "0.0" if rounded == 0 else f"{rounded:+.1f}".replace("-", "−")


def _p(p: float | None) -> str:
    return "–" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
