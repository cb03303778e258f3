"""Grading a run's completions again, with the current rule or another judge, and the verdicts that change.

Nothing is generated; that is left to `offtraj.evaluate.evaluate`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from offtraj._util.progress import OnProgress, Progress, no_progress
from offtraj.errors import DataError
from offtraj.evaluate.evaluate import judge_record, judge_results
from offtraj.evaluate.run_folder import RunFolder, check_run_target, write_run
from offtraj.grading.domain import Domain
from offtraj.grading.domains import find_domain
from offtraj.grading.grader import Grader, GradingItem
from offtraj.grading.judge.judge import ResolvedJudge
from offtraj.grading.opening import open_grader
from offtraj.model.trajectory import Delimiters, continued_answer
from offtraj.run.outcome import Outcome
from offtraj.run.record import RUN
from offtraj.spec import EngineSpec, JudgeSpec, OpenAISpec, TransformersSpec
from offtraj.store import Store

__all__ = ["Change", "Regraded", "judge_of_run", "regrade"]

_AT_ONCE = 256  # outcomes that are graded together
_EXAMPLES = 3


class Change(NamedTuple):
    """A verdict before and after grading again."""

    old: str
    """Verdict and reason, such as `unscored: units`, with the decider where that was not the rule."""
    new: str
    """In the same form."""


@dataclass(frozen=True)
class Regraded:
    """The run with its new verdicts, and how they differ from the old ones."""

    run: RunFolder
    """The folder that was written."""
    total: int
    """Number of outcomes."""
    changes: Mapping[Change, int]
    """Number of outcomes by change, the most frequent first."""
    examples: Mapping[Change, tuple[str, ...]]
    """Ids of at most three rows of each change."""


@dataclass
class _VerdictChanges:
    total: int = 0
    rows: dict[Change, list[str]] = field(default_factory=lambda: defaultdict(list))


async def regrade(
    run: RunFolder, *, out: Path, store: Store, resolved_judge: ResolvedJudge | None, progress: Progress = no_progress
) -> Regraded:
    """Grade the completions of a run again and write a run folder with the new verdicts.

    Outcomes without a completion stay unscored. The folder is written whole or not at all.

    Args:
        run: The run.
        out: The folder to write; may be the run's own.
        store: Keeps verdicts and the judge's replies.
        resolved_judge: Decides where the rule cannot; without one the rule decides alone.
        progress: Is told of progress.

    Raises:
        DataError: for a run that does not record the delimiters of the model's thinking.
        OfftrajError: as the judge, the store and `write_run` do.
    """
    delimiters = _delimiters(run)
    domain = find_domain(run.record.domain)
    changes = _VerdictChanges()
    on_progress = progress(f"grade {run.model}", 0 if run.record.outcomes is None else run.record.outcomes.total)
    async with open_grader(domain, store=store, judge=resolved_judge, audit_seed=run.record.seed or 0) as grader:
        graded_by = {"verifier": grader.verifier_version, "judge": judge_record(grader, resolved_judge)}
        record = run.record.ungraded.model_copy(update=graded_by)
        check_run_target(out, record)
        again = _again(run, domain, grader, delimiters, changes, on_progress)
        written = await write_run(out, record, again, judged=lambda: judge_results(grader))
    ordered = sorted(changes.rows, key=lambda change: (-len(changes.rows[change]), change))
    return Regraded(
        run=written,
        total=changes.total,
        changes={change: len(changes.rows[change]) for change in ordered},
        examples={change: tuple(changes.rows[change][:_EXAMPLES]) for change in ordered},
    )


def judge_of_run(run: RunFolder) -> ResolvedJudge | None:
    """The judge that a run was graded with; `None` for the rule alone.

    Raises:
        DataError: when its declaration is not one that this version reads.
    """
    said = run.record.judge
    if said is None:
        return None
    try:
        engine = TypeAdapter[EngineSpec](EngineSpec).validate_json(said.engine.model_dump_json())
        judge = JudgeSpec.model_validate_json(said.judge.model_dump_json())
    except ValidationError as error:
        raise DataError(f"{run.path}: its `judge` cannot be read: {error}: give one with --judge") from error
    if not isinstance(engine, OpenAISpec | TransformersSpec):
        raise DataError(
            f"{run.path}: its `judge` has an engine of kind {engine.kind!r}, which does not speak chat: give one with "
            "--judge"
        )
    return ResolvedJudge(judge, engine)


async def _again(
    run: RunFolder,
    domain: Domain,
    grader: Grader,
    delimiters: Delimiters,
    changes: _VerdictChanges,
    on_progress: OnProgress,
) -> AsyncIterator[Outcome]:
    waiting: list[Outcome] = []
    for outcome in run.outcomes(texts=True):
        waiting.append(outcome)
        if len(waiting) == _AT_ONCE:
            for graded in await _graded(waiting, domain, grader, delimiters, changes):
                yield graded
            on_progress(len(waiting))
            waiting = []
    for graded in await _graded(waiting, domain, grader, delimiters, changes):
        yield graded
    on_progress(len(waiting))


async def _graded(
    outcomes: list[Outcome], domain: Domain, grader: Grader, delimiters: Delimiters, changes: _VerdictChanges
) -> list[Outcome]:
    async def one(old: Outcome) -> Outcome:
        if old.completion is None:
            return old
        text = continued_answer(old.completion, delimiters, closed=old.closes_thinking)
        item = GradingItem(old.question, domain.published_reference(old.reference_columns))
        verdict = await grader.grade(item, text, old.finish_reason)
        return replace(old, verdict=verdict.name, decided_by=verdict.decided_by, reason=verdict.reason)

    graded = await asyncio.gather(*map(one, outcomes))
    changes.total += len(graded)
    for old, new in zip(outcomes, graded, strict=True):
        if (old.verdict, old.decided_by, old.reason) != (new.verdict, new.decided_by, new.reason):
            changes.rows[Change(_said(old), _said(new))].append(new.row_id)
    return graded


def _said(outcome: Outcome) -> str:
    decider = "" if outcome.decided_by in ("rule", None) else f" ({outcome.decided_by})"
    return f"{outcome.verdict}{decider}: {outcome.reason.partition(':')[0]}"


def _delimiters(run: RunFolder) -> Delimiters:
    think = run.record.think
    if think is None:
        raise DataError(
            f"{run.path / RUN}: has no `think` (delimiters of the thinking), which grading again needs: run the model "
            "again with the same workspace, which generates nothing that it holds"
        )
    if think.open and not think.close:
        raise DataError(f"{run.path / RUN}: think.close: expected the text that ends the thinking, got ''")
    return Delimiters(think.open, think.close)
