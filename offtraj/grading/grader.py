"""The protocol of graders: a question, its reference and a response give a verdict.

Each domain has its own grader (`grading.math.grader`); one is opened with `grading.opening.open_grader`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from offtraj.grading.reference import Reference

if TYPE_CHECKING:
    from offtraj.grading.judge.audit import Audit
    from offtraj.grading.judge.judge import Judge
    from offtraj.grading.verdict import Verdict
    from offtraj.model.completion import FinishReason

__all__ = ["Grader", "GradingItem", "Revealer", "Statements"]


@dataclass(frozen=True, slots=True)
class GradingItem:
    """What a response is graded on."""

    question: str
    """The question's text, for the judge; may be empty without one."""
    reference: Reference
    """What the response is compared with."""


class Statements(Protocol):
    """The results that a piece of reasoning states."""

    def contain(self, reference: Reference) -> bool:
        """Whether the gold answer is among them, as far as that is decided without starting a process."""

    async def first(self, reference: Reference) -> int | None:
        """The offset, in characters, behind the first statement of the gold answer; `None` without any."""


class Revealer(Protocol):
    """Finds where reasoning states the gold answer (paper, section 3.2, finding 2: "Ans.?")."""

    def statements(self, text: str) -> Statements:
        """What a piece of reasoning states."""


class Grader(Revealer, Protocol):
    """Grades responses of one domain. Verdicts and the judge's replies are kept in the store."""

    @property
    def version(self) -> str:
        """Version of the verifier and, where there is a judge, its identity: changes whenever a verdict may change."""

    @property
    def verifier_version(self) -> str:
        """Version of the verifier, without the judge."""

    @property
    def judge(self) -> Judge | None:
        """The judge that decides where the verifier cannot; `None` without one."""

    @property
    def audit(self) -> Audit | None:
        """The audit of the verifier's passes; `None` without one."""

    async def grade(self, item: GradingItem, response_text: str | None, finish_reason: FinishReason | None) -> Verdict:
        """The verdict on a response.

        Args:
            item: The question and its reference.
            response_text: What follows the thinking; `None` when the thinking never ends.
            finish_reason: Why the response ended; `None` when that is not known.

        Raises:
            EngineError: when the judge refuses the key, or does not exist.
            StoreError: when a verdict or reply cannot be kept.
        """

    async def verifies(self, reference: Reference) -> bool:
        """Whether a correct response to this reference could pass: the self-check of a gold answer."""

    async def close(self) -> None:
        """Release the verifier's processes and the judge's connections. The grader cannot be used afterwards."""
