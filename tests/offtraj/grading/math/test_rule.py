"""The rule, on real math-verify in real processes."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from offtraj.grading.math.answer import Answer, find_answer
from offtraj.grading.math.pool import WorkerPool
from offtraj.grading.math.rule import Comparison, RuleVerifier, same_by_fast_compare
from offtraj.model.trajectory import split


@pytest.fixture
async def rule() -> AsyncIterator[RuleVerifier]:
    verifier = RuleVerifier(WorkerPool(workers=2))
    yield verifier
    await verifier.close()


@pytest.mark.parametrize(
    ("gold", "answer", "same"),
    [
        ("5", "5", True),
        ("5", " 5 ", True),
        ("5", "$5$", True),
        ("5", "5.0", True),
        ("1000", "1,000", True),
        ("5", "6", False),
        ("0.5", ".5", True),
        ("-5", "5", False),
        ("5", "\\frac{10}{2}", True),
        ("5", "\\frac{10}{3}", False),
        ("5", "\\sqrt{25}", None),
        ("5", "five", None),
        ("x", "x", True),
        ("x", "y", None),
        ("9" * 5000, "9" * 4999, None),
        ("1,00", "100", None),
    ],
)
def test_numbers_and_equal_texts_are_told_at_sight(gold: str, answer: str, same: bool | None) -> None:
    assert same_by_fast_compare(gold, answer) is same


@pytest.mark.parametrize(
    ("gold", "answer", "result"),
    [
        (r"\frac{1}{2}", "0.5", "equal"),
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \frac{\pi}{2})", "equal"),
        ("x^2 + 2x + 1", "(x+1)^2", "equal"),
        (r"\text{Evelyn}", "Evelyn", "equal"),
        ("5", r"5\text{ apples}", "equal"),
        (r"\frac{1}{2}", "0.6", "different"),
        (r"\frac{1}{2}", "", "different"),
    ],
)
async def test_algebra_is_math_verifys(rule: RuleVerifier, gold: str, answer: str, result: str) -> None:
    assert await rule.compare(gold, Answer(answer, "boxed")) == Comparison(result, "")  # type: ignore[arg-type]


async def test_a_statement_is_read_as_text(rule: RuleVerifier) -> None:
    for text, result in (("The answer is 5 loaves are sold.", "equal"), ("The answer: 6 loaves.", "different")):
        answer = find_answer(text)
        assert answer is not None
        assert (await rule.compare("5", answer)).result == result


async def test_gold_answers_that_can_be_read_verify_themselves(rule: RuleVerifier) -> None:
    golds = ("5", r"\frac{1}{2}", "2k", "(1,2)", "2516_8", r"\text{Evelyn}", r"$1$,$\frac{3+\sqrt{21}}{2}$", "-1./3")
    assert [await rule.verifies(gold) for gold in golds] == [True] * len(golds)
    assert not await rule.verifies("$f(x)=a x+b$, where $b$ is an arbitrary integer")


async def test_a_pair_that_takes_too_long_is_undecided_and_the_next_is_not() -> None:
    rule = RuleVerifier(WorkerPool(workers=1, deadline=2))
    try:
        slow = asyncio.create_task(rule.compare("1", Answer("5^{5^{5^{5^5}}}", "boxed")))
        await asyncio.sleep(0)
        ordinary = asyncio.create_task(rule.compare(r"\frac{1}{2}", Answer("0.5", "boxed")))
        assert await slow == Comparison("undecided", "timeout")
        assert (await ordinary).result == "equal"
    finally:
        await rule.close()


async def test_a_pair_that_eats_memory_is_undecided(rule: RuleVerifier) -> None:
    small = RuleVerifier(WorkerPool(workers=1, memory=600 * 2**20))
    try:
        huge = await small.compare("5", Answer("9" * 3_000_000, "boxed"))
        assert huge.result in ("undecided", "different")
        assert (await small.compare(r"\frac{1}{2}", Answer("0.5", "boxed"))).result == "equal"
    finally:
        await small.close()


async def test_a_worker_that_is_killed_costs_no_verdict(rule: RuleVerifier) -> None:
    await rule.compare("x", Answer("y", "boxed"))
    for round_ in range(3):
        for process in _workers(os.getpid()):
            os.kill(process, signal.SIGKILL)
        comparisons = await asyncio.gather(
            *(
                rule.compare(rf"\frac{{{n}}}{{7}}", Answer(rf"\frac{{{2 * n}}}{{14}}", "boxed"))
                for n in range(1 + round_, 9)
            )
        )
        assert {comparison.result for comparison in comparisons} == {"equal"}


async def test_no_worker_is_left_behind(rule: RuleVerifier) -> None:
    await rule.compare("x", Answer("y", "boxed"))
    assert _workers(os.getpid())
    await rule.close()
    assert not _workers(os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="children end with their parent on Linux alone")
def test_workers_end_with_a_killed_parent() -> None:
    script = (
        "import asyncio\n"
        "from offtraj.grading.math.answer import Answer\nfrom offtraj.grading.math.rule import RuleVerifier\n"
        "async def main():\n"
        "    rule = RuleVerifier()\n"
        "    await rule.compare('x', Answer('y', 'boxed'))\n"
        "    print('ready', flush=True)\n"
        "    await rule.compare('5', Answer('9^{9^{9^{9^9}}}', 'boxed'))\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        workers = _workers(parent.pid)
        assert workers
        parent.kill()
    for _ in range(100):
        if not any(map(_runs, workers)):
            return
        time.sleep(0.1)
    pytest.fail("a worker outlived its parent by ten seconds")


async def test_verdicts_on_real_traces_agree_with_their_sources(rule: RuleVerifier, data: Path) -> None:
    """Of the responses whose source graded them itself."""
    agree = differ = 0
    for name in ("aime25_r1probe", "aime24_qwen3_32b"):
        with gzip.open(data / "traces" / f"{name}.jsonl.gz", "rt") as lines:
            for row in map(json.loads, lines):
                trajectory = split(row["response"])
                answer = find_answer(trajectory.answer) if trajectory.closed else None
                if row["source_correct"] is None or answer is None or answer.how == "guess":
                    continue
                correct = (await rule.compare(row["gold"], answer)).result == "equal"
                agree += correct == row["source_correct"]
                differ += correct != row["source_correct"]
    assert (agree, differ) == (93, 0)


def _workers(parent: int) -> list[int]:
    children = psutil.Process(parent).children()
    return [child.pid for child in children if any("worker.py" in part for part in child.cmdline())]


def _runs(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
