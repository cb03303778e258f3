"""Plans, counts and scores as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from offtraj.build.plan import Plan
from offtraj.dataset.manifest import Manifest
from offtraj.evaluate.regrade import Regraded
from offtraj.evaluate.run_folder import RunFolder
from offtraj.hub.push import PushPlan
from offtraj.metrics.intervals import percent
from offtraj.metrics.scores import Cell
from offtraj.metrics.solo import SoloScore, score_solo
from offtraj.spec import TestName

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "change_table",
    "counts_table",
    "overview",
    "plan_table",
    "push_table",
    "score_tables",
    "solo_table",
    "verdict_table",
]


def overview(runs: Sequence[tuple[str, Sequence[Cell]]], solos: Sequence[SoloScore | None] = ()) -> Table:
    """The paper's Table 1 for what was run: a row for each model, shared and individual averages.

    Args:
        runs: Names of models with their cells.
        solos: How each does with nothing injected; a column where any is known.
    """
    from rich.table import Table

    table = Table(title="Average over positions or ratios, default variant, in percent (95 %)", **_style())
    table.add_column("model")
    columns = [(test, subset) for test in ("recoverability", "guidability") for subset in ("shared", "individual")]
    known = [*solos, *[None] * (len(runs) - len(solos))]
    if any(known):
        table.add_column("solo", justify="right")
    for test, subset in columns:
        table.add_column(f"{test}\n{subset}", justify="right")
    for (name, cells), solo in zip(runs, known, strict=True):
        found: dict[tuple[str, str], Cell] = {
            (cell.test, cell.subset): cell
            for cell in cells
            if cell.variant == "default" and cell.guide is None and cell.position is None and cell.ratio is None
        }
        first = [str(solo or "–")] if any(known) else []
        table.add_row(name, *first, *(_score(found.get(column)) for column in columns))
    return table


def score_tables(name: str, cells: Sequence[Cell]) -> list[Table]:
    """The scores of one run: a table for each test, a row for each variant, subset and guide.

    Scores are in percent, by position or ratio, then their average with its 95 % interval.
    """
    return [_score_table(name, test, [cell for cell in cells if cell.test == test]) for test in _tests(cells)]


def verdict_table(run: RunFolder) -> Table:
    """Who decided how many outcomes, how and why; below it what the judge cost, and how far to trust it."""
    from rich.table import Table

    audit, judge, cost = run.audit, run.record.judge, run.record.judge_cost
    notes = []
    if judge is not None and cost is not None:
        notes.append(
            f"judge {judge.identity!r}: {cost.calls:,} calls, {cost.prompt_tokens:,} prompt tokens, "
            f"{cost.tokens:,} tokens of replies; what was kept from earlier cost nothing"
        )
    if audit is not None and (audit.passes or audit.controls or audit.unruled):
        notes.append(
            f"audit: the judge confirms {audit.confirmed} of {audit.passes} passes of the rule"
            f"{_share(audit.agreement)} and accepts {audit.accepted} of {audit.controls} answers known to be wrong"
            f"{_share(audit.false_positive_rate)}; {audit.unruled} could not be read or asked"
        )
    style = {**_style(), "caption": "\n".join(notes) or None, "caption_justify": "left"}
    table = Table(title=f"{run.model}: verdicts by decider and reason", **style)
    for header in ("decided by", "verdict", "reason"):
        table.add_column(header)
    table.add_column("n", justify="right")
    for count in run.scores.verdicts:
        table.add_row(count.decided_by or "nobody", count.verdict, count.reason, f"{count.n:,}")
    return table


def change_table(regraded: Regraded) -> Table:
    """What grading again has changed, the most frequent first."""
    from rich.table import Table

    table = Table(title="Changed verdicts", **_style())
    for header in ("before", "after"):
        table.add_column(header)
    table.add_column("n", justify="right")
    table.add_column("rows, for example")
    for change, n in regraded.changes.items():
        table.add_row(change.old, change.new, f"{n:,}", ", ".join(row[:12] for row in regraded.examples[change]))
    return table


def _share(share: float | None) -> str:
    return "" if share is None else f" ({share:.1%})"


def _score_table(name: str, test: TestName, cells: Sequence[Cell]) -> Table:
    from rich.table import Table

    axis = "position" if test == "recoverability" else "ratio"
    table = Table(title=f"{name}: {test} by {axis}, in percent", **_style())
    table.add_column("variant")
    table.add_column("subset")
    if test == "guidability":
        table.add_column("guide")
    axis_values = sorted({axis_value for cell in cells if (axis_value := cell.axis_value) is not None})
    # Of the counts, those that are 0 everywhere say nothing.
    counts = [name for name in _COUNTS if name in ("n", "questions") or any(getattr(cell, name) for cell in cells)]
    headers = (name.replace("_", " ") for name in counts)
    for header in (*(f"{axis_value:.0%}" for axis_value in axis_values), "average", "95 %", *headers):
        table.add_column(header, justify="right")
    rows: dict[tuple[str, str, str | None], dict[float | None, Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.variant, cell.subset, cell.guide), {})[cell.axis_value] = cell
    for (variant, subset, guide), row in rows.items():
        whole = row[None]
        table.add_row(
            variant,
            subset,
            *([guide or "all"] if test == "guidability" else []),
            *(percent(row[axis_value].score) if axis_value in row else "–" for axis_value in axis_values),
            percent(whole.score),
            "–" if whole.interval is None else str(whole.interval),
            *(str(getattr(whole, name)) for name in counts),
        )
    return table


_COUNTS = ("n", "questions", "truncated", "no_answer", "unscored", "revealed", "judged")


def _tests(cells: Sequence[Cell]) -> list[TestName]:
    return list(dict.fromkeys(cell.test for cell in cells))


def _style() -> dict[str, Any]:
    from rich import box

    return {"box": box.SIMPLE_HEAD, "title_justify": "left", "pad_edge": False}


def plan_table(plan: Plan) -> Table:
    """What a spec will cost, line by line, with totals."""
    from rich.table import Table

    sizes = ", ".join(f"{name} {count:,}" for name, count in plan.questions.items())
    table = Table(title=f"At most; questions: {sizes}", show_footer=True, **_style())
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
    """What becomes of each file on the Hub."""
    from rich.table import Table

    table = Table(**_style())
    table.add_column("file")
    table.add_column("bytes", justify="right")
    table.add_column("on the Hub")
    for change in plan.changes:
        table.add_row(change.path, f"{change.bytes:,}", change.kind)
    return table


def counts_table(manifest: Manifest) -> Table:
    """What a build kept and dropped."""
    from rich.table import Table

    table = Table(title="Kept and dropped", **_style())
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
    return "–" if cell is None else percent(cell.score, cell.interval)


def solo_table(manifest: Manifest) -> Table:
    """How often models and guides solve questions solo, and how that spreads over the questions."""
    from rich.table import Table

    table = Table(title="Alone, in percent (95 %), and questions by how often they are solved", **_style())
    table.add_column("model")
    table.add_column("average Pass@1", justify="right")
    levels = sorted(
        {rate for entry in manifest.models.values() for rate in entry.solve_rates},
        key=lambda rate: [int(count) for count in rate.split("/")],
    )
    for level in levels:
        table.add_column(level, justify="right")
    for name, entry in manifest.models.items():
        table.add_row(
            name,
            str(score_solo({"": entry.solve_rates}) or "–"),  # questions of all benchmarks together
            *(str(entry.solve_rates.get(level, 0)) for level in levels),
        )
    return table
