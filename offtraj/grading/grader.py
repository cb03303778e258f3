"""From a response to a verdict: find the answer, ask the rule, then the judge, and keep what they said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from offtraj._util.digest import content_id
from offtraj.grading.judge.audit import Audit, chosen, known_wrong
from offtraj.grading.judge.judge import Judge, Ruling
from offtraj.grading.judge.prompt import worth_judging
from offtraj.grading.math.answer import Answer, find_answer
from offtraj.grading.math.rule import Comparison, Verifier
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import FinishReason
from offtraj.store import Store, StoredVerdict

__all__ = ["Grader", "GradingItem"]

_FAILURES = frozenset({"timeout", "crash", "memory", "recursion"})  # which may not happen again


@dataclass(frozen=True, slots=True)
class GradingItem:
    """What a response answers, as far as grading needs it."""

    gold: str
    """The gold answer, as published."""
    question: str = ""
    """For the judge."""
    tolerance: float | None = None
    """By how much numbers may differ, where the benchmark says so."""
    unit: str | None = None
    """Of the gold answer, where the benchmark keeps it apart."""


class Grader:
    """Grades responses. The rule decides what it can; a judge, where there is one, the rest.

    Without a judge what the rule finds different is incorrect, and what it cannot decide is unscored. That
    is no honest wrong answer's fate: undecided is only what algebra would have passed, and what made it fail.
    A guess is no answer then: a model that states none has given none.
    """

    def __init__(
        self, verifier: Verifier, store: Store, judge: Judge | None = None, audit: Audit | None = None
    ) -> None:
        """Ask `verifier` for what `store` does not hold; with `audit`, have a share of its passes judged."""
        self.verifier = verifier
        self.judge = judge
        self.audit = audit
        self._store = store
        self._asked: dict[str, asyncio.Task[Comparison]] = {}

    @property
    def version(self) -> str:
        """Changes whenever a verdict may come out differently."""
        return self.verifier.version if self.judge is None else f"{self.verifier.version}+{self.judge.identity}"

    async def grade(self, item: GradingItem | str, text: str | None, finish_reason: FinishReason | None) -> Verdict:
        """The verdict on what follows the thinking.

        Args:
            item: What is answered; a mere gold answer where there is nothing more to say.
            text: What follows the thinking; `None` when the thinking never ended.
            finish_reason: Why the response ended; `None` when that is not known.
        """
        item = GradingItem(item) if isinstance(item, str) else item
        answer = None if text is None else find_answer(text)
        if answer is None or (answer.how == "guess" and finish_reason == "length"):
            # Thinking that never ended was cut off, whether or not the recording says so.
            cut_off = finish_reason == "length" or (finish_reason is None and text is None)
            if cut_off or self.judge is None or text is None or not worth_judging(text):
                return Verdict("incorrect", "rule", "truncated" if cut_off else "no_answer")
            return await self._judged(self.judge, item, text, "no_answer")
        comparison = await self._compare(item, answer)
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

    async def verifies(self, gold: str) -> bool:
        """Whether a gold answer can be verified against itself; kept in the store, too."""
        key = content_id("gold/1", self.verifier.version, gold)
        if key in self._store.verdicts([key]):
            return True
        if not await self.verifier.verifies(gold):
            return False
        self._store.put_verdicts([(key, StoredVerdict("verifies", ""))], self.verifier.version)
        return True

    async def _judged(self, judge: Judge, item: GradingItem, given: str, why: str) -> Verdict:
        ruling = await judge.rule(item.question, _standard(item), given)
        if ruling.label is None:
            return Verdict("unscored", None, ruling.reason)
        return Verdict("correct" if ruling.label == "correct" else "incorrect", "judge", f"rule_{why}")

    async def _audited(self, item: GradingItem, answer: Answer) -> None:
        """Have a pass of the rule judged, and a negative control beside it, if it is among the chosen ones."""
        audit, judge = self.audit, self.judge
        if audit is None or judge is None or not chosen(audit.share, audit.seed, item.question, item.gold, answer.text):
            return
        audit.passes[content_id(item.question, item.gold, answer.text)] = await self._ruling(judge, item, answer.text)
        wrong = known_wrong(item.gold)
        if wrong is not None and (await self._compare(item, Answer(wrong, "boxed"))).result == "different":
            audit.controls[content_id(item.question, item.gold)] = await self._ruling(judge, item, wrong)

    async def _ruling(self, judge: Judge, item: GradingItem, given: str) -> Ruling:
        return await judge.rule(item.question, _standard(item), given)

    async def _compare(self, item: GradingItem, answer: Answer) -> Comparison:
        gold, tolerance, unit = item.gold, item.tolerance, item.unit
        sight = self.verifier.fast_compare(gold, answer, tolerance=tolerance, unit=unit)
        if sight is not None:
            return sight
        key = content_id("comparison/2", self.verifier.version, gold, tolerance, unit, answer.text, answer.how)
        task = self._asked.get(key)
        if task is None:
            found = self._store.verdicts([key]).get(key)
            if found is not None and found.outcome in ("equal", "different", "undecided"):
                return Comparison(found.outcome, found.reason)  # type: ignore[arg-type]
            task = self._asked[key] = asyncio.create_task(self._ask(key, item, answer))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: str, item: GradingItem, answer: Answer) -> Comparison:
        comparison = await self.verifier.compare(item.gold, answer, tolerance=item.tolerance, unit=item.unit)
        if comparison.reason not in _FAILURES:  # what failed is tried again next time
            kept = StoredVerdict(comparison.result, comparison.reason)
            self._store.put_verdicts([(key, kept)], self.verifier.version)
        return comparison


def _standard(item: GradingItem) -> str:
    """The gold answer as the judge is shown it."""
    return item.gold if item.unit is None else f"{item.gold} {item.unit}"
