"""The classes of answers that fool verifiers: what is equal, and what is never said to be."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from hypothesis import example, given
from hypothesis import strategies as st

from offtraj.grading.math.answer import Answer, find_answer
from offtraj.grading.math.notation import normalise
from offtraj.grading.math.number import number
from offtraj.grading.math.pool import WorkerPool
from offtraj.grading.math.quantity import quantity
from offtraj.grading.math.rule import Comparison, RuleVerifier
from offtraj.grading.math.structure import read

EQUAL = [
    # number formats and unicode
    ("1000", r"1\,000"), ("1000", "1 000"), ("1000", "1{,}000"), ("12,345", "12345"), ("5", "５"), ("5", "٥"),
    ("1", "1\u200b"), ("-5", "−5"), ("\\frac{1}{2}", "½"), ("\\frac{7}{2}", "3½"), ("2\\sqrt{3}", "2√3"),
    ("x^2+1", "x²+1"), (r"\frac{\pi}{3}", "π/3"), ("6.67e-11", r"6.67\times 10^{-11}"), ("4.5e33", r"4.5\cdot10^{33}"),
    (r"\frac{1}{3}", r"0.\overline{3}"), (r"\frac{3}{2}", "1 1/2"), (r"1\frac{4}{5}", r"\frac95"), ("-1./3", r"-\frac13"),
    (r"\frac{1}{3}", "0.333333"), ("033", "33"), (".0000672", r"6.72\times10^{-5}"), ("12", r"\text{12}"),
    # units that one side leaves out, percent
    ("5", r"5\text{ apples}"), ("5", "5 apples"), (r"5\text{ m}", "5"), ("30", r"30^\circ"), (r"15\mbox{ cm}^2", r"15\ \mathrm{cm}^2"),
    (r"864 \mbox{ inches}^2", r"864\text{ square inches}"), (r"5\text{ km}", "5 kilometers"), (r"\$32,\!348", "32348"),
    ("0.5", r"50\%"), (r"50\%", r"\frac12"),
    # several values, tuples, intervals, assignments
    ("$69$,$84$", "84, 69"), (r"$(1,8,19), (2,7,13)$", "(2,7,13),(1,8,19)"), (r"\{1\pm\sqrt5,-2\}", r"-2, 1+\sqrt5, 1-\sqrt5"),
    ("2,3,4", "2, 3, and 4"), ("-2,1", r"x=1 \text{ or } x=-2"), ("$f(x)=2 x$", "2x"), ("5", "x=5"), ("5", "5=x"),
    ("x \\in [-2,7]", r"-2 \leq x \leq 7"), ("(3,4]", r"3<x\le4"), (r"(-\infty,1)\cup(2,\infty)", r"x<1 \text{ or } x>2"),
    (r"(-\infty,0)\cup(0,\infty)", r"x\ne 0"), (r"\mathbb{R}", r"(-\infty,\infty)"), (r"\emptyset", r"\varnothing"),
    (r"$k \geqslant 2$", r"[2,\infty)"), ("(5)", "5"),
    # words and options
    (r"\text{Evelyn}", "Evelyn"), (r"\text{(C)}", "C"), (r"\text{Yes}", "yes"), (r"\text{ellipse}", r"\text{an ellipse}"),
    # bases and times
    ("4210_{5}", "4210_5"), ("12:30", r"12\!:\!30"),
    # algebra
    ("i", r"\sqrt{-1}"), (r"\frac{1}{2+2i}", r"\frac14-\frac14 i"), ("5x - 7y + 4 = 0", "5x-7y=-4"), ("y=2x+3", "2x-y+3=0"),
    (r"\frac{1}{2a}(\exp{a*t} - \exp{-a*t})", r"\frac{e^{at}-e^{-at}}{2a}"), (r"\langle 1,2\rangle", "(1,2)"), (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{bmatrix}1\\2\end{bmatrix}"), ("np.arcsin(10/13)", r"\arcsin(10/13)"),
    (r"I_0e^{-t}", r"\frac{I_0}{e^t}"), (r"\frac{E_1}{2}", r"0.5E_1"), (r"v_{\text{max}}^2/r", r"\frac{1}{r}v_{max}^2"),
    (r"\begin{pmatrix} -1/3 \\ 2 \end{pmatrix}", r"\begin{pmatrix} -\frac13 \\ 2 \end{pmatrix}"),
]  # fmt: skip
NEVER_EQUAL = [
    # units
    (r"5\text{ m}", r"5\text{ km}"), ("5 m", "5 km"), (r"5\text{ hours}", r"5\text{ minutes}"), (r"5\text{ cm}", r"5\text{ cm}^2"),
    (r"\$5", r"5\text{ cents}"), (r"\$5", "€5"), (r"30^\circ", r"30\text{ rad}"), ("12", r"12\text{ million}"), ("5", r"0.05"),
    ("0.5", r"0.5\%"), (r"5\%", "5"), ("6", "6%"),
    # letters that are no units
    ("2c", "2"), ("2d", "2g"), ("4s", "4"), ("3h", "3l"), ("5", "5x"), ("3", "3i"), ("12", "12k"), (r"2\pi r", r"2\pi"), ("x_1", "x_2"),
    ("E_1", "E_2"), ("I_0e^{-t}", "ie^{-t}"), ("I_0e^{-t}", "I_1e^{-t}"), (r"\frac{E_1}{2}", r"\frac e2"), ("f(x)=x", "g(x)=x"),
    # bases, times, ratios
    ("2516_8", "2516_7"), ("52_8", "52"), ("10:30", "1:3"), ("10:30", "10:31"), ("3:4", r"\frac43"), ("12:30", "12.5"),
    # numbers that are near each other, or look alike
    ("3e-7", "4e-7"), ("1e-8", "0"), ("1.6e-19", "1.7e-19"), ("100000000.1", "100000000.2"), (r"\pi", "3.1416"), (r"\frac13", "0.33"),
    (r"e^{\pi\sqrt{163}}", "262537412640768744"), ("1,2", "1.2"), ("1", "1,000"), (r"\frac{11}{2}", "1 1/2"), ("12", "1 2"), ("12", "1, 2"),
    # brackets, order, size
    ("(1,2)", "[1,2]"), ("(1,2)", "(2,1)"), ("(1,2]", "[1,2)"), ("(2,1)", r"\{1,2\}"), ("(-2,1)", "-2,1"), ("1,2", "1,2,3"), (r"\{1,2\}", "1"),
    ("x>2", r"x\ge 2"), ("x>2", "y>2"), ("(1,2)", "x=2, y=1"), (r"\emptyset", "0"), ("(3,4)", "34"),
    # hedges, negations, words
    ("5", r"5 \text{ or any other value}"), ("5", "5 or 6"), ("6", "not 6"), ("6", r"\text{not }6"), ("6", "6 is wrong"), ("6", r"\ge 6"), ("6", r"\neq 6"),
    (r"\text{Monday}", r"\text{Sunday}"), (r"\text{Evelyn}", r"\text{Evelyn and Bob}"), ("A", "B"), ("A", "A, B"), ("0", r"\text{none}"),
    # algebra
    (r"1-\frac1e", r"1+\frac1e"), (r"\sqrt{x^2}", "x"), ("2+3i", "2-3i"), ("a-b", "b-a"), ("x^2+y^2=1", "1"), ("6", "6+C"), ("7", "7!"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"), ("ab", "a"),
    # nothing
    ("5", ""), ("5", "?"), ("5", r"\text{}"),
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rule() -> AsyncIterator[RuleVerifier]:
    verifier = RuleVerifier(WorkerPool(workers=2))
    yield verifier
    await verifier.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("gold", "answer"), EQUAL)
async def test_one_answer_in_many_notations_is_equal(rule: RuleVerifier, gold: str, answer: str) -> None:
    assert await rule.compare(gold, Answer(answer, "boxed")) == Comparison("equal")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("gold", "answer"), NEVER_EQUAL)
async def test_what_differs_is_never_equal(rule: RuleVerifier, gold: str, answer: str) -> None:
    assert (await rule.compare(gold, Answer(answer, "boxed"))).result != "equal"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("gold", "answer", "reason"),
    [
        (r"5\text{ m}", r"5\text{ km}", "units"),
        ("50", r"50\%", "percent"),
        ("52_8", "52", "base"),
        ("3:4", "6:8", "ratio_or_time"),
        ("4s", "4", "letters"),
        ("C", "c", "case"),
        ("(-2,1)", "-2,1", "list_or_tuple"),
        ("2516_8", "2516", "base"),
        ("5", "5" * 5000, "too_long"),
    ],
)
async def test_what_looks_equal_but_cannot_be_weighed_is_undecided(
    rule: RuleVerifier, gold: str, answer: str, reason: str
) -> None:
    assert await rule.compare(gold, Answer(answer, "boxed")) == Comparison("undecided", reason)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_last_number_is_a_guess_and_never_a_pass(rule: RuleVerifier) -> None:
    for text in ("It is not 5.", "I get 7. Checked against problem 5.", "1. First\n2. Second\n5. Fifth"):
        answer = find_answer(text)
        assert answer is not None
        assert await rule.compare("5", answer) == Comparison("undecided", "guess")
        assert await rule.compare("6", answer) == Comparison("different")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_benchmarks_unit_and_tolerance_count(rule: RuleVerifier) -> None:
    async def result(gold: str, answer: str, **needs: Any) -> str:
        found = await rule.compare(gold, Answer(answer, "boxed"), **needs)
        return found.reason or found.result

    assert await result("4.2", "4.25", tolerance=0.1) == "equal"
    assert await result("4.2", "4.31", tolerance=0.1) == "different"
    assert await result(r"\sqrt{2}", "1.4", tolerance=0.05) == "equal"
    assert await result(r"$\frac{41}{12}$", r"\frac{41}{12}\text{ km}", unit="km") == "equal"
    assert await result(r"$\frac{41}{12}$", r"\frac{41}{12}", unit="km") == "equal"
    assert await result(r"$\frac{41}{12}$", r"\frac{41}{12}\text{ m}", unit="km") == "units"
    assert await result("166", r"166\text{ cm}^2", unit="$cm^2$") == "equal"
    assert await result("4.2", "0.042", unit="%") == "equal"
    assert await result("90,60", r"90^\circ, 60^\circ", unit=r"^{\circ}") == "equal"


async def test_hard_answers_are_accepted_refused_or_survived(data: Path) -> None:
    """All of them, bombs and ordinary ones together, on two workers."""
    with (data / "verifier" / "hard_answers.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    bombs = [row for row in rows if "BOMB" in row["why"] or (row["mv_secs"] or 0) >= 1]
    ordinary = [row for row in rows if row not in bombs]
    before = set(_workers())
    alone = await _compared(ordinary)
    together, memory = await _measured([*bombs, *ordinary])
    assert together[len(bombs) :] == alone  # no ordinary verdict is lost or changed
    assert memory < 3 * 2**30
    assert set(_workers()) <= before  # none is left behind
    results = list(zip([*bombs, *ordinary], together, strict=True))
    assert not [row for row, result in results if row["expected"] is False and result == "equal"]
    accepted = [result == "equal" for row, result in results if row["expected"] is True]
    assert sum(accepted) >= 0.9 * len(accepted)


def _workers() -> list[int]:
    children = psutil.Process().children()
    return [child.pid for child in children if any("worker.py" in part for part in child.cmdline())]


async def _measured(rows: list[dict[str, Any]]) -> tuple[list[str], int]:
    """What the rows come to, and the most memory that this process and its workers held meanwhile."""
    most, done = 0, False

    async def watch() -> None:
        nonlocal most
        process = psutil.Process(os.getpid())
        while not done:
            held = process.memory_info().rss
            for child in process.children(recursive=True):
                try:
                    held += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            most = max(most, held)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    results = await _compared(rows)
    done = True
    await watching
    return results, most


async def _compared(rows: list[dict[str, Any]]) -> list[str]:
    verifier = RuleVerifier(WorkerPool(workers=2))

    async def one(row: dict[str, Any]) -> str:
        answer = find_answer(row["answer"].rpartition("</think>")[2])
        return "none" if answer is None else (await verifier.compare(row["gold"], answer)).result

    try:
        return list(await asyncio.gather(*map(one, rows)))
    finally:
        await verifier.close()


@given(st.fractions(min_value=-1000, max_value=1000, max_denominator=1000))
def test_a_fraction_is_one_number_however_it_is_written(value: Fraction) -> None:
    sign, above, below = ("-" if value < 0 else ""), abs(value.numerator), value.denominator
    whole, rest = divmod(above, below)
    for text in (
        f"{sign}\\frac{{{above}}}{{{below}}}",
        f"${sign}\\dfrac{{{above}}}{{{below}}}$",
        f"{value.numerator}/{below}",
        f"{sign}{whole}\\frac{{{rest}}}{{{below}}}",
        f"{sign}\\tfrac {{{above * 2}}} {{{below * 2}}}",
    ):
        assert number(normalise(text)) == value


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_is_one_however_it_is_grouped(value: int) -> None:
    grouped = f"{value:,}"
    for text in (
        grouped,
        grouped.replace(",", r"\,"),
        grouped.replace(",", " "),
        grouped.replace(",", "{,}"),
        f"{value}.0",
    ):
        assert number(normalise(text)) == value


@given(st.text(alphabet="0123456789.,+-*/^_{}[]()\\ $abxfrcteπ½²−≤°%:", max_size=60))
@example("*$*")
@example("2* *3")
@example(r"\{,}5")
@example("{{,}}")
@example(r"\**[")
@example(r"\frac\text{\,2}4")
@example(r"\text{" * 20 + "5" + "}" * 20)
def test_any_text_is_read_and_tidying_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert read(once).text or not once
    assert quantity(once).value or not once


def test_reading_is_linear_in_what_it_is_given() -> None:
    for text in (
        "(" * 3000,
        "{" * 3000,
        ",".join("1" * 1500),
        "<" * 3000,
        r"\text{" * 600,
        "1 " * 1900,
        "=" * 3000,
        r"\frac" * 700,
    ):
        started = time.process_time()
        form = read(normalise(text))
        quantity(form.value)
        number(form.value)
        assert time.process_time() - started < 2
        find_answer(text * 20)
