"""Whether an answer is right: extraction, the rule in processes that can be killed, the judge, verdicts."""

from offtraj.verify.answer import Answer, find_answer, last_boxed
from offtraj.verify.audit import Audit, AuditReport
from offtraj.verify.grader import Asked, Grader
from offtraj.verify.judge import Judge, JudgeAt, Ruling, Usage, declared_judge, open_judge
from offtraj.verify.reveal import Candidate, candidates, revealed_at, states
from offtraj.verify.rule import Comparison, RuleVerifier, Verifier
from offtraj.verify.verdict import DecidedBy, Verdict, VerdictName

__all__ = [
    "Answer",
    "Asked",
    "Audit",
    "AuditReport",
    "Candidate",
    "Comparison",
    "DecidedBy",
    "Grader",
    "Judge",
    "JudgeAt",
    "RuleVerifier",
    "Ruling",
    "Usage",
    "Verdict",
    "VerdictName",
    "Verifier",
    "candidates",
    "declared_judge",
    "find_answer",
    "last_boxed",
    "open_judge",
    "revealed_at",
    "states",
]
