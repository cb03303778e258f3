"""From a response's end to a verdict."""

from __future__ import annotations

import asyncio

import pytest

from offtraj.completion import FinishReason
from offtraj.store import Store
from offtraj.verify import Answer, Comparison, Grader, Verdict


class Exact:
    """A verifier that compares texts, counts, and cannot decide on `?`."""

    def __init__(self, version: str = "exact-1") -> None:
        self.version = version
        self.asked: list[tuple[str, str]] = []

    def at_sight(self, gold: str, answer: Answer, **_: object) -> Comparison | None:
        return None

    async def compare(self, gold: str, answer: Answer, **_: object) -> Comparison:
        self.asked.append((gold, answer.text))
        await asyncio.sleep(0)
        if answer.text == "?":
            return Comparison("undecided", "timeout")
        return Comparison("equal" if gold == answer.text else "different", "")

    async def verifies(self, gold: str) -> bool:
        self.asked.append((gold, gold))
        return gold != "?"

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("text", "finish", "verdict"),
    [
        (r"\boxed{5}", "stop", Verdict("correct", "rule", "boxed")),
        (r"\boxed{6}", "stop", Verdict("incorrect", "rule", "boxed")),
        ("**Answer:** 5", "stop", Verdict("correct", "rule", "stated")),
        ("So there.", "stop", Verdict("incorrect", "rule", "no_answer")),
        ("So there", "length", Verdict("incorrect", "rule", "truncated")),
        ("So there", None, Verdict("incorrect", "rule", "no_answer")),
        (None, "length", Verdict("incorrect", "rule", "truncated")),
        (None, None, Verdict("incorrect", "rule", "truncated")),
        (None, "stop", Verdict("incorrect", "rule", "no_answer")),
        (r"\boxed{5", "length", Verdict("incorrect", "rule", "truncated")),
        (r"\boxed{?}", "stop", Verdict("unscored", None, "timeout")),
    ],
)
async def test_a_verdict_says_who_decided_and_why(
    store: Store, text: str | None, finish: FinishReason | None, verdict: Verdict
) -> None:
    assert await Grader(Exact(), store).grade("5", text, finish) == verdict


async def test_the_same_pair_is_compared_once(store: Store) -> None:
    verifier = Exact()
    grader = Grader(verifier, store)
    await asyncio.gather(*(grader.grade("5", r"\boxed{6}", "stop") for _ in range(20)))
    await Grader(verifier, store).grade("5", r"So \boxed{6}", "length")
    assert verifier.asked == [("5", "6")]


async def test_another_verifier_asks_again(store: Store) -> None:
    await Grader(Exact(), store).grade("5", r"\boxed{6}", "stop")
    other = Exact("exact-2")
    await Grader(other, store).grade("5", r"\boxed{6}", "stop")
    assert len(other.asked) == 1


async def test_what_was_undecided_is_tried_again(store: Store) -> None:
    verifier = Exact()
    for _ in range(2):
        await Grader(verifier, store).grade("5", r"\boxed{?}", "stop")
    assert len(verifier.asked) == 2


async def test_gold_answers_that_verify_are_remembered(store: Store) -> None:
    verifier = Exact()
    grader = Grader(verifier, store)
    assert [await grader.verifies("5") for _ in range(2)] == [True, True]
    assert [await grader.verifies("?") for _ in range(2)] == [False, False]
    assert verifier.asked == [("5", "5"), ("?", "?"), ("?", "?")]
