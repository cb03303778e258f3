"""Scores as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from offtraj.plan import Plan
from offtraj.publishing import Manifest
from offtraj.scores import Cell

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["counts_table", "overview", "plan_table", "score_table"]


def overview(runs: Sequence[tuple[str, Sequence[Cell]]]) -> Table:
    """The paper's Table 1 for what was run: a row for each model, shared and individual averages.

    Args:
        runs: Names of models with their cells.
    """
    from rich.table import Table

    table = Table(title="Average over positions and ratios, default variants, in percent", title_justify="left")
    table.add_column("model")
    columns = [(test, subset) for test in ("recoverability", "guidability") for subset in ("shared", "individual")]
    for test, subset in columns:
        table.add_column(f"{test}\n{subset}", justify="right")
    for name, cells in runs:
        found: dict[tuple[str, str], Cell] = {
            (cell.test, cell.subset): cell
            for cell in cells
            if cell.variant == "default" and cell.guide is None and cell.position is None and cell.ratio is None
        }
        table.add_row(name, *(_score(found.get(column)) for column in columns))
    return table


def score_table(name: str, cells: Sequence[Cell]) -> Table:
    """Every cell of one run."""
    from rich.table import Table

    table = Table(title=f"{name}: scores in percent, 95 % intervals over questions", title_justify="left")
    for header in ("test", "variant", "subset", "guide", "at"):
        table.add_column(header)
    headers = ("n", "questions", "score", "interval", "truncated", "no answer", "unscored", "revealed", "rule", "judge")
    for header in headers:
        table.add_column(header, justify="right")
    last = None
    for cell in cells:
        group = (cell.test, cell.variant, cell.subset, cell.guide)
        if last is not None and group != last:
            table.add_section()
        last = group
        place = cell.position if cell.position is not None else cell.ratio
        table.add_row(
            cell.test,
            cell.variant,
            cell.subset,
            cell.guide or ("all" if cell.test == "guidability" else ""),
            "average" if place is None else f"{place:.0%}",
            str(cell.n),
            str(cell.questions),
            "–" if cell.score is None else f"{100 * cell.score:.1f}",
            "–" if cell.interval is None else f"{100 * cell.interval.low:.1f}–{100 * cell.interval.high:.1f}",
            *map(str, (cell.truncated, cell.no_answer, cell.unscored, cell.revealed, cell.by_rule, cell.by_judge)),
        )
    return table


def plan_table(plan: Plan) -> Table:
    """What a spec will cost, line by line, with totals."""
    from rich.table import Table

    sizes = ", ".join(f"{name} {count:,}" for name, count in plan.questions.items())
    table = Table(title=f"At most; questions: {sizes}", title_justify="left", show_footer=True)
    table.add_column("step", footer="total")
    table.add_column("model")
    for name in ("cells", "rows", "requests", "completions", "tokens", "judge_calls"):
        total = sum(getattr(line, name) for line in plan.lines)
        table.add_column(name.replace("_", " "), f"{total:,}", justify="right")
    last = None
    for line in plan.lines:
        if last is not None and line.step != last:
            table.add_section()
        last = line.step
        figures = (line.cells, line.rows, line.requests, line.completions, line.tokens, line.judge_calls)
        table.add_row(line.step, line.model, *(f"{figure:,}" for figure in figures))
    return table


def counts_table(manifest: Manifest) -> Table:
    """What a build kept and dropped."""
    from rich.table import Table

    table = Table(title="Kept and dropped", title_justify="left")
    for header in ("test", "model", "variant", "subset", "of"):
        table.add_column(header)
    table.add_column("kept", justify="right")
    table.add_column("dropped")
    for count in manifest.counts:
        reasons = ", ".join(f"{reason}: {n}" for reason, n in count.dropped.items())
        where = (count.test, count.model, count.variant or "all", count.subset or "all", count.of)
        table.add_row(*where, str(count.kept), reasons)
    return table


def _score(cell: Cell | None) -> str:
    if cell is None or cell.score is None:
        return "–"
    interval = "" if cell.interval is None else f" ({100 * cell.interval.low:.1f}–{100 * cell.interval.high:.1f})"
    return f"{100 * cell.score:.1f}{interval}"
