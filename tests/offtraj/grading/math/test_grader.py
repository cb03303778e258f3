"""From a response's end to a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from support.judge import student

from offtraj.grading.grader import GradingItem
from offtraj.grading.judge.audit import Audit, AuditReport, chosen, known_wrong
from offtraj.grading.judge.judge import Judge
from offtraj.grading.math.answer import Answer
from offtraj.grading.math.grader import MathGrader
from offtraj.grading.math.reference import MathReference
from offtraj.grading.math.rule import Comparison
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import Completion, FinishReason, Message
from offtraj.store import Store


def item(gold: str, question: str = "") -> GradingItem:
    return GradingItem(question, MathReference(gold))


class Exact:
    """A verifier that compares texts, counts, and cannot decide on `?`."""

    def __init__(self, version: str = "exact-1") -> None:
        self.version = version
        self.asked: list[tuple[str, str]] = []

    def fast_compare(self, gold: str, answer: Answer, **_: object) -> Comparison | None:
        guessed = answer.how == "guess" and gold == answer.text
        return Comparison("undecided", "guess") if guessed else None

    async def compare(self, gold: str, answer: Answer, **_: object) -> Comparison:
        self.asked.append((gold, answer.text))
        await asyncio.sleep(0)
        if "?" in answer.text:
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
        ("So that makes 5.", "stop", Verdict("incorrect", "rule", "no_answer")),
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
    assert await MathGrader(Exact(), store).grade(item("5"), text, finish) == verdict


async def test_the_same_pair_is_compared_once(store: Store) -> None:
    verifier = Exact()
    grader = MathGrader(verifier, store)
    await asyncio.gather(*(grader.grade(item("5"), r"\boxed{6}", "stop") for _ in range(20)))
    await MathGrader(verifier, store).grade(item("5"), r"So \boxed{6}", "length")
    assert verifier.asked == [("5", "6")]


async def test_another_verifier_asks_again(store: Store) -> None:
    await MathGrader(Exact(), store).grade(item("5"), r"\boxed{6}", "stop")
    other = Exact("exact-2")
    await MathGrader(other, store).grade(item("5"), r"\boxed{6}", "stop")
    assert len(other.asked) == 1


async def test_what_was_undecided_is_tried_again(store: Store) -> None:
    verifier = Exact()
    for _ in range(2):
        await MathGrader(verifier, store).grade(item("5"), r"\boxed{?}", "stop")
    assert len(verifier.asked) == 2


async def test_gold_answers_that_verify_are_remembered(store: Store) -> None:
    verifier = Exact()
    grader = MathGrader(verifier, store)
    assert [await grader.verifies(MathReference("5")) for _ in range(2)] == [True, True]
    assert [await grader.verifies(MathReference("?")) for _ in range(2)] == [False, False]
    assert verifier.asked == [("5", "5"), ("?", "?"), ("?", "?")]


class Decided:
    """A chat model that says CORRECT to what it is told to, and remembers what it was asked."""

    identity = "chat:decided"

    def __init__(self, *right: str) -> None:
        self.right = right
        self.asked: list[str] = []

    async def ask(self, messages: Sequence[Message], **_: object) -> Completion:
        answer = student(messages[-1].content)
        self.asked.append(answer)
        return Completion(f"<judge>{'CORRECT' if answer in self.right else 'WRONG'}</judge>", "stop", 1, 1)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("text", "finish", "verdict", "asked"),
    [
        (r"\boxed{5}", "stop", Verdict("correct", "rule", "boxed"), []),
        (r"\boxed{five}", "stop", Verdict("correct", "judge", "rule_different"), ["five"]),
        (r"\boxed{6}", "stop", Verdict("incorrect", "judge", "rule_different"), ["6"]),
        (r"\boxed{?}", "stop", Verdict("unscored", None, "timeout"), []),
        (r"\boxed{what? 7}", "stop", Verdict("incorrect", "judge", "rule_timeout"), ["what? 7"]),
        ("It is five.", "stop", Verdict("incorrect", "judge", "rule_no_answer"), ["It is five."]),
        ("So it is 7.", "stop", Verdict("incorrect", "judge", "rule_different"), ["So it is 7."]),
        ("So it is 5.", "stop", Verdict("incorrect", "judge", "rule_guess"), ["So it is 5."]),
        ("The answer", "stop", Verdict("incorrect", "rule", "no_answer"), []),
        ("", "stop", Verdict("incorrect", "rule", "no_answer"), []),
        ("So it is", "length", Verdict("incorrect", "rule", "truncated"), []),
        ("So it is 7", "length", Verdict("incorrect", "rule", "truncated"), []),
        (None, "length", Verdict("incorrect", "rule", "truncated"), []),
    ],
)
async def test_a_judge_is_asked_only_where_the_rule_does_not_pass(
    store: Store, text: str | None, finish: FinishReason, verdict: Verdict, asked: list[str]
) -> None:
    chat = Decided("five")
    grader = MathGrader(Exact(), store, Judge(chat, store))
    assert await grader.grade(item("5", "How many?"), text, finish) == verdict
    assert chat.asked == asked


async def test_passes_are_audited_each_with_a_negative_control(store: Store) -> None:
    chat = Decided("1", "2", "4", "9")  # confirms three passes of four, and falls for one negative control
    grader = MathGrader(Exact(), store, Judge(chat, store), Audit(share=1.0, seed=0))
    for _ in range(2):  # grading twice counts once
        for gold in "1234":
            verdict = await grader.grade(item(gold, "q"), rf"\boxed{{{gold}}}", "stop")
            assert verdict == Verdict("correct", "rule", "boxed")  # whatever the judge says
    assert chat.asked == ["1", "3", "2", "5", "3", "7", "4", "9"]
    assert grader.audit is not None
    report = grader.audit.report()
    assert report == AuditReport(passes=4, confirmed=3, controls=4, accepted=1, unruled=0)
    assert (report.agreement, report.false_positive_rate) == (0.75, 0.25)


def test_a_share_is_chosen_by_hash() -> None:
    picked = [n for n in range(4000) if chosen(0.05, 0, "q", str(n))]
    assert 140 < len(picked) < 260
    assert picked == [n for n in range(4000) if chosen(0.05, 0, "q", str(n))]
    assert not any(chosen(0.0, 0, str(n)) for n in range(100))
    assert all(chosen(1.0, 0, str(n)) for n in range(100))


@pytest.mark.parametrize(
    ("gold", "wrong"),
    [
        ("204", "409"),
        (r"\frac{3}{4}", r"\frac{3}{9}"),
        ("(1, 2)", "(1, 5)"),
        ("x^2", None),
        (r"\text{north}", None),
    ],
)
def test_a_negative_control_is_the_gold_answer_with_another_number(gold: str, wrong: str | None) -> None:
    assert known_wrong(gold) == wrong
