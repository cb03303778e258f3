"""Opening a grader, with its judge and audit, and closing all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from offtraj.grading.domain import Domain
from offtraj.grading.grader import Grader
from offtraj.grading.judge.audit import Audit
from offtraj.grading.judge.judge import ResolvedJudge, open_judge
from offtraj.store import Store

__all__ = ["open_grader"]


@asynccontextmanager
async def open_grader(
    domain: Domain, *, store: Store, judge: ResolvedJudge | None = None, audit_seed: int | None = None
) -> AsyncIterator[Grader]:
    """A grader of the domain, whose processes and connections are released when the block ends.

    Args:
        domain: The domain of the questions.
        store: Where verdicts and the judge's replies are kept.
        judge: Decides where the verifier cannot; without it, what the verifier cannot decide is unscored.
        audit_seed: Seed of the choice of passes that the judge audits, at the share that the judge declares;
            `None` audits nothing.

    Raises:
        EngineError: for a key or model of the judge that is missing.
    """
    opened = open_judge(judge, store)
    share = 0.0 if judge is None or audit_seed is None else judge.judge.audit
    audit = Audit(share, audit_seed) if share and audit_seed is not None else None
    grader = domain.make_grader(store, opened, audit)
    try:
        yield grader
    finally:
        await grader.close()
