"""Grading of mathematics: find the answer, compare it by the rule, then ask the judge; keep what they say."""

from __future__ import annotations

import asyncio

from offtraj._util.digest import content_id
from offtraj.grading.grader import GradingItem
from offtraj.grading.judge.audit import Audit, chosen, known_wrong
from offtraj.grading.judge.judge import Judge, Ruling
from offtraj.grading.judge.prompt import worth_judging
from offtraj.grading.math.answer import Answer, find_answer
from offtraj.grading.math.reference import MathReference
from offtraj.grading.math.reveal import MathStatements
from offtraj.grading.math.rule import Comparison, Verifier
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import FinishReason
from offtraj.store import Store, StoredVerdict

__all__ = ["MathGrader"]

_FAILURES = frozenset({"timeout", "crash", "memory", "recursion"})  # may succeed the next time, so they are not kept


class MathGrader:
    """Grades responses to mathematical questions. The rule decides what it can, the judge the rest.

    Without a judge, an answer that the rule finds different is incorrect, and one that it cannot decide is unscored.
    No wrong answer becomes unscored that way: *undecided* are only failures, and answers that algebra finds equal in
    a class in which it is not reliable. A guess (the last formula or number of a text that states no answer) counts
    as no answer.
    """

    def __init__(
        self, verifier: Verifier, store: Store, judge: Judge | None = None, audit: Audit | None = None
    ) -> None:
        """Use `verifier` for comparisons that `store` does not hold; with `audit`, have some of its passes judged."""
        self.judge = judge
        self.audit = audit
        self._verifier = verifier
        self._store = store
        self._pending: dict[str, asyncio.Task[Comparison]] = {}

    @property
    def version(self) -> str:
        """Version of the rule and, where there is a judge, its identity: changes whenever a verdict may change."""
        return self.verifier_version if self.judge is None else f"{self.verifier_version}+{self.judge.identity}"

    @property
    def verifier_version(self) -> str:
        """Version of the rule."""
        return self._verifier.version

    async def grade(self, item: GradingItem, response_text: str | None, finish_reason: FinishReason | None) -> Verdict:
        """The verdict on a response; see `Grader.grade`."""
        text = response_text
        answer = None if text is None else find_answer(text)
        if answer is None or (answer.how == "guess" and finish_reason == "length"):
            # A recording may not say why a response ended; thinking without an end was cut off.
            cut_off = finish_reason == "length" or (finish_reason is None and text is None)
            if cut_off or self.judge is None or text is None or not worth_judging(text):
                return Verdict("incorrect", "rule", "truncated" if cut_off else "no_answer")
            return await self._judged(self.judge, item, text, "no_answer")
        comparison = await self._compare(item.reference, answer)
        if comparison.result == "equal":
            await self._audited(item, answer)
            return Verdict("correct", "rule", answer.how)
        if self.judge is not None:
            given = text if answer.how == "guess" and text is not None else answer.text
            if worth_judging(given):
                return await self._judged(self.judge, item, given, comparison.reason or "different")
        if answer.how == "guess":
            return Verdict("incorrect", "rule", "no_answer")
        if comparison.result == "undecided":
            return Verdict("unscored", None, comparison.reason)
        return Verdict("incorrect", "rule", answer.how)

    async def verifies(self, reference: MathReference) -> bool:
        """Whether the rule can read the gold answer, so that another way of writing it can pass; kept in the store."""
        key = content_id("gold/1", self.verifier_version, reference.gold)
        if key in self._store.verdicts([key]):
            return True
        if not await self._verifier.verifies(reference.gold):
            return False
        self._store.put_verdicts([(key, StoredVerdict("verifies", ""))], self.verifier_version)
        return True

    def statements(self, text: str) -> MathStatements:
        """What a piece of reasoning states."""
        return MathStatements(text, self._verifier)

    async def close(self) -> None:
        """End the rule's processes and close the judge."""
        try:
            await self._verifier.close()
        finally:
            if self.judge is not None:
                await self.judge.close()

    async def _judged(self, judge: Judge, item: GradingItem, given: str, why: str) -> Verdict:
        ruling = await self._ruling(judge, item, given)
        if ruling.label is None:
            return Verdict("unscored", None, ruling.reason)
        return Verdict("correct" if ruling.label == "correct" else "incorrect", "judge", f"rule_{why}")

    async def _audited(self, item: GradingItem, answer: Answer) -> None:
        """Have a pass of the rule judged, and a negative control with it, if the audit's sample contains it."""
        audit, judge, gold = self.audit, self.judge, item.reference.gold
        if audit is None or judge is None or not chosen(audit.share, audit.seed, item.question, gold, answer.text):
            return
        audit.passes[content_id(item.question, gold, answer.text)] = await self._ruling(judge, item, answer.text)
        wrong = known_wrong(gold)
        if wrong is not None and (await self._compare(item.reference, Answer(wrong, "boxed"))).result == "different":
            audit.controls[content_id(item.question, gold)] = await self._ruling(judge, item, wrong)

    async def _ruling(self, judge: Judge, item: GradingItem, given: str) -> Ruling:
        return await judge.rule(item.question, item.reference.standard_answer, given)

    async def _compare(self, reference: MathReference, answer: Answer) -> Comparison:
        gold, tolerance, unit = reference.gold, reference.tolerance, reference.unit
        fast = self._verifier.fast_compare(gold, answer, tolerance=tolerance, unit=unit)
        if fast is not None:
            return fast
        key = content_id("comparison/2", self.verifier_version, gold, tolerance, unit, answer.text, answer.how)
        task = self._pending.get(key)
        if task is None:
            found = self._store.verdicts([key]).get(key)
            if found is not None and found.outcome in ("equal", "different", "undecided"):
                return Comparison(found.outcome, found.reason)  # type: ignore[arg-type]
            task = self._pending[key] = asyncio.create_task(self._verified(key, reference, answer))
            task.add_done_callback(lambda _: self._pending.pop(key, None))
        return await asyncio.shield(task)

    async def _verified(self, key: str, reference: MathReference, answer: Answer) -> Comparison:
        comparison = await self._verifier.compare(
            reference.gold, answer, tolerance=reference.tolerance, unit=reference.unit
        )
        if comparison.reason not in _FAILURES:
            kept = StoredVerdict(comparison.result, comparison.reason)
            self._store.put_verdicts([(key, kept)], self.verifier_version)
        return comparison
