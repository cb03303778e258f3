"""Scores as tables for the terminal: the overview, one table for each test, and scores by stratum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from offtraj.evaluate.scored_run import ScoredRun
from offtraj.metrics.intervals import percent
from offtraj.metrics.scores import Cell
from offtraj.report.labels import (
    NO_INTERVAL,
    SMALL,
    SUBSETS,
    axis_of,
    axis_values,
    closing_variants,
    footnotes,
    headline,
    is_guided,
    ordered_tests,
)
from offtraj.report.table import make_table, shade
from offtraj.run.solo import rate_order

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["net_tables", "overview", "score_tables", "strata_tables"]

_COUNTS = ("n", "questions", "truncated", "no_answer", "unscored", "revealed", "judged")


def overview(runs: Sequence[ScoredRun]) -> Table:
    """The paper's Table 1: a row for each run, with the solo score and the averages of each test and subset."""
    tests = ordered_tests((cell for run in runs for cell in run.cells), all_known=True)
    columns = [(test, subset) for test in tests for subset in SUBSETS]
    has_solo = any(run.solo is not None for run in runs)
    scores = [[run.whole(test=test, subset=subset) for test, subset in columns] for run in runs]
    shown = [[*([run.solo] if has_solo else []), *row] for run, row in zip(runs, scores, strict=True)]
    table = make_table(
        "Average over positions or ratios, default variant, in percent (95 %)",
        ["model"],
        [*(["solo"] if has_solo else []), *(f"{test}\n{subset}" for test, subset in columns)],
        notes=[footnotes([score for row in shown for score in row])],
    )
    for run, row in zip(runs, shown, strict=True):
        table.add_row(
            run.marked, *(shade(headline(one), small=one is not None and one.is_small, mark="") for one in row)
        )
    return table


def score_tables(run: ScoredRun) -> list[Table]:
    """The scores of one run, in percent: a table for each test, with a row for each variant, subset and guide."""
    return [_score_table(run.name, test, [c for c in run.cells if c.test == test]) for test in ordered_tests(run.cells)]


def net_tables(runs: Sequence[ScoredRun]) -> list[Table]:
    """Scores raw, net of revealed answers, and of variants that end the thinking: a table for each guided test.

    Raw and net differ by outcomes whose steer contains the gold answer. Variants that end the thinking measure how
    much of a score the steer's text accounts for (paper, section 3.2 and Table 17).
    """
    cells = [cell for run in runs for cell in run.cells]
    return [table for test in ordered_tests(cells) if is_guided(test, cells) and (table := _net_table(test, runs))]


def strata_tables(runs: Sequence[ScoredRun]) -> list[Table]:
    """Scores of the default variant by benchmark and by solo solve rate: a table for each test with several strata."""
    tests = ordered_tests(cell for run in runs for cell in run.strata)
    return [table for test in tests if (table := _strata_table(test, runs))]


def _score_table(name: str, test: str, cells: Sequence[Cell]) -> Table:
    guided, values = is_guided(test, cells), axis_values(cells)
    # Of the counts, those that are 0 everywhere are left out.
    counts = [name for name in _COUNTS if name in ("n", "questions") or any(getattr(cell, name) for cell in cells)]
    table = make_table(
        f"{name}: {test} by {axis_of(test, cells).name}, in percent",
        ["variant", "subset", *(["guide"] if guided else [])],
        [*(f"{value:.0%}" for value in values), "average", "95 %", *(name.replace("_", " ") for name in counts)],
        notes=[
            f"* {SMALL}" if any(cell.is_small for cell in cells) else "",
            NO_INTERVAL if any(c.interval is None and c.axis_value is None for c in cells) else "",
        ],
    )
    rows: dict[tuple[str, str, str | None], dict[float | None, Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.variant, cell.subset, cell.guide), {})[cell.axis_value] = cell
    for (variant, subset, guide), row in rows.items():
        whole = row[None]
        table.add_row(
            *(variant, subset, *([guide or "all"] if guided else [])),
            *(_score(row.get(value)) for value in values),
            _score(whole),
            "–" if whole.interval is None else str(whole.interval),
            *(str(getattr(whole, name)) for name in counts),
        )
    return table


def _net_table(test: str, runs: Sequence[ScoredRun]) -> Table | None:
    closing = closing_variants(test)
    lines = [
        (run, cell, [run.whole(test=test, subset=subset, variant=variant) for variant in closing])
        for run in runs
        for subset in SUBSETS
        if (cell := run.whole(test=test, subset=subset)) is not None
    ]
    if not lines:
        return None
    small = any(one is not None and one.is_small for _, cell, forced in lines for one in (cell, *forced))
    others = f", and variant {', '.join(closing)}" if closing else ""
    table = make_table(
        f"{test.capitalize()}: default variant raw and net of revealed answers{others}, in percent (95 %)",
        ["model", "subset"],
        ["raw", "revealed", "net", *closing],
        notes=[f"* {SMALL}" if small else ""],
    )
    for run, cell, forced in lines:
        table.add_row(
            run.name,
            cell.subset,
            shade(str(cell), small=cell.is_small),
            f"{cell.revealed} of {cell.n}",
            shade(percent(cell.net_score, cell.net_interval), small=cell.is_small),
            *("–" if one is None else shade(str(one), small=one.is_small) for one in forced),
        )
    return table


def _strata_table(test: str, runs: Sequence[ScoredRun]) -> Table | None:
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
        return None
    axis = axis_of(test, (cell for run in runs for cell in run.cells))
    table = make_table(
        f"{test.capitalize()} by {'benchmark and ' if len(benchmarks) > 1 else ''}solo solve rate, average over "
        f"{axis.plural}, default variant, in percent, and number of outcomes",
        ["model", "subset"],
        columns,
        notes=[f"* {SMALL}" if any(cell.is_small for cell in found) else ""],
    )
    for name, subset in dict.fromkeys((name, subset) for name, subset, _ in cells):
        table.add_row(name, subset, *(_of(cells.get((name, subset, column))) for column in columns))
    return table


def _score(cell: Cell | None) -> Text | str:
    return "–" if cell is None else shade(percent(cell.score), small=cell.is_small)


def _of(cell: Cell | None) -> Text | str:
    return "–" if cell is None else shade(f"{percent(cell.score)} of {cell.n}", small=cell.is_small)
