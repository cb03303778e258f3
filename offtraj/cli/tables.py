"""Plans, pushes and build counts as tables for the terminal. Scores are left to `offtraj.report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offtraj.report.table import make_table

if TYPE_CHECKING:
    from rich.table import Table

    from offtraj import DataFolder, Plan
    from offtraj.api.publish import PushPlan

__all__ = ["counts_table", "plan_table", "push_table"]


def plan_table(plan: Plan) -> Table:
    """An upper bound on the requests, tokens and judge calls of a spec, one line for each step and model."""
    sizes = ", ".join(f"{name} {count:,}" for name, count in plan.questions.items())
    table = make_table(f"At most; questions: {sizes}")
    table.show_footer = True
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


def push_table(plan: PushPlan) -> Table:
    """The files of a push, with their sizes in bytes and what happens to each on the Hub."""
    table = make_table(None, ["file"], ["bytes"])
    table.add_column("on the Hub")
    for change in plan.changes:
        table.add_row(change.path, f"{change.bytes:,}", change.kind)
    return table


def counts_table(data: DataFolder) -> Table:
    """What each selection of a build kept and dropped, with reasons."""
    table = make_table("Kept and dropped", ["test", "model", "variant", "subset", "of"], ["kept"])
    table.add_column("dropped")
    for count in data.manifest.counts:
        reasons = ", ".join(f"{reason}: {n}" for reason, n in count.dropped.items())
        where = (count.test, count.model, count.variant or "all", count.subset or "all", count.of)
        table.add_row(*where, str(count.kept), reasons)
    return table
