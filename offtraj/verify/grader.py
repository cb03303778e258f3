"""From a response to a verdict: find the answer, ask the verifier, keep what it said."""

from __future__ import annotations

import asyncio

from offtraj.completion import FinishReason
from offtraj.digest import content_id
from offtraj.store import Store, StoredVerdict
from offtraj.verify.answer import Answer, find_answer
from offtraj.verify.rule import Comparison, Verifier
from offtraj.verify.verdict import Verdict

__all__ = ["Grader"]


class Grader:
    """Grades answers, the same pair only once; comparisons are kept in the store."""

    def __init__(self, verifier: Verifier, store: Store) -> None:
        """Ask `verifier` for what `store` does not hold."""
        self.verifier = verifier
        self._store = store
        self._asked: dict[str, asyncio.Task[Comparison]] = {}

    async def grade(self, gold: str, text: str | None, finish_reason: FinishReason | None) -> Verdict:
        """The verdict on what follows the thinking.

        Args:
            gold: The gold answer.
            text: What follows the thinking; `None` when the thinking never ended.
            finish_reason: Why the response ended; `None` when that is not known.
        """
        answer = None if text is None else find_answer(text)
        if answer is None:
            # Thinking that never ended was cut off, whether or not the recording says so.
            cut_off = finish_reason == "length" or (finish_reason is None and text is None)
            return Verdict("incorrect", "rule", "truncated" if cut_off else "no_answer")
        comparison = await self._compare(gold, answer)
        if comparison.result == "undecided":
            return Verdict("unscored", None, comparison.reason)
        return Verdict("correct" if comparison.result == "equal" else "incorrect", "rule", answer.how)

    async def verifies(self, gold: str) -> bool:
        """Whether a gold answer can be verified against itself; kept in the store, too."""
        key = content_id("gold/1", self.verifier.version, gold)
        if key in self._store.verdicts([key]):
            return True
        if not await self.verifier.verifies(gold):
            return False
        self._store.put_verdicts([(key, StoredVerdict("verifies", ""))])
        return True

    async def _compare(self, gold: str, answer: Answer) -> Comparison:
        key = content_id("comparison/1", self.verifier.version, gold, answer.text, answer.how)
        task = self._asked.get(key)
        if task is None:
            found = self._store.verdicts([key]).get(key)
            if found is not None and found.outcome in ("equal", "different"):
                return Comparison("equal" if found.outcome == "equal" else "different", found.reason)
            task = self._asked[key] = asyncio.create_task(self._ask(key, gold, answer))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: str, gold: str, answer: Answer) -> Comparison:
        comparison = await self.verifier.compare(gold, answer)
        if comparison.result != "undecided":  # what failed is tried again next time
            self._store.put_verdicts([(key, StoredVerdict(comparison.result, comparison.reason))])
        return comparison
