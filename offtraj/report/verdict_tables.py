"""Verdicts as tables for the terminal: who decided what, and what grading again changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offtraj.evaluate.regrade import Regraded
from offtraj.evaluate.scored_run import ScoredRun
from offtraj.report.labels import NOT_DECIDED
from offtraj.report.table import make_table

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["change_table", "verdict_table"]


def verdict_table(run: ScoredRun) -> Table:
    """Number of outcomes by decider, verdict and reason, with the judge's cost and its audit as footnotes.

    Raises:
        DataError: when the audit in `scores.json` cannot be read.
    """
    audit, judge, cost = run.folder.audit, run.record.judge, run.record.judge_cost
    notes = []
    if judge is not None and cost is not None:
        notes.append(
            f"judge {judge.identity!r}: {cost.calls:,} calls, {cost.prompt_tokens:,} prompt tokens, "
            f"{cost.tokens:,} tokens of replies; replies from the store cost nothing"
        )
    if audit is not None and (audit.passes or audit.controls or audit.unruled):
        notes.append(
            f"audit: the judge confirms {audit.confirmed} of {audit.passes} passes of the rule"
            f"{_share(audit.agreement)} and accepts {audit.accepted} of {audit.controls} negative controls"
            f"{_share(audit.false_positive_rate)}; {audit.unruled} have no readable reply"
        )
    title = f"{run.name}: verdicts by decider and reason"
    table = make_table(title, ["decided by", "verdict", "reason"], ["n"], notes=notes)
    for count in run.verdicts:
        table.add_row(count.decided_by or NOT_DECIDED, count.verdict, count.reason, f"{count.n:,}")
    return table


def change_table(regraded: Regraded) -> Table:
    """Verdicts that grading again has changed, the most frequent change first."""
    table = make_table("Changed verdicts", ["before", "after"], ["n"])
    table.add_column("rows, for example")
    for change, n in regraded.changes.items():
        table.add_row(change.old, change.new, f"{n:,}", ", ".join(row[:12] for row in regraded.examples[change]))
    return table


def _share(share: float | None) -> str:
    return "" if share is None else f" ({share:.1%})"
