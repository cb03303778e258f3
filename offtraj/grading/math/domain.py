"""The domain of mathematics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offtraj.grading.domain import Domain
from offtraj.grading.math.reference import MathReference

if TYPE_CHECKING:
    from offtraj.grading.grader import Grader
    from offtraj.grading.judge.audit import Audit
    from offtraj.grading.judge.judge import Judge
    from offtraj.store import Store

__all__ = ["MATH"]


def _verifier_version() -> str:
    from offtraj.grading.math.rule import RuleVerifier

    return RuleVerifier().version


def _make_grader(store: Store, judge: Judge | None, audit: Audit | None) -> Grader:
    from offtraj.grading.math.grader import MathGrader
    from offtraj.grading.math.rule import RuleVerifier

    return MathGrader(RuleVerifier(), store, judge, audit)


MATH = Domain(
    name="math",
    task_categories=("text-generation", "question-answering"),
    read_reference=MathReference.from_record,
    published_reference=MathReference.from_columns,
    verifier_version=_verifier_version,
    make_grader=_make_grader,
)
