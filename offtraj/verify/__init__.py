"""Whether an answer is right: extraction, the rule in processes that can be killed, verdicts."""

from offtraj.verify.answer import Answer, find_answer, last_boxed
from offtraj.verify.grader import Grader
from offtraj.verify.reveal import Candidate, candidates, revealed_at, states
from offtraj.verify.rule import Comparison, RuleVerifier, Verifier
from offtraj.verify.verdict import DecidedBy, Verdict, VerdictName

__all__ = [
    "Answer",
    "Candidate",
    "Comparison",
    "DecidedBy",
    "Grader",
    "RuleVerifier",
    "Verdict",
    "VerdictName",
    "Verifier",
    "candidates",
    "find_answer",
    "last_boxed",
    "revealed_at",
    "states",
]
