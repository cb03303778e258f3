"""Finding the answer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtraj.grading.math.answer import Answer, find_answer, last_boxed


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"So \boxed{5}.", "5"),
        (r"\boxed{3}, no, \boxed{4}", "4"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\text{a set } \{1, 2\}}", r"\text{a set } \{1, 2\}"),
        (r"\fbox{7}", "7"),
        (r"\boxed {7}", "7"),
        (r"\boxed{5} and then \boxed{6", "5"),
        (r"\boxed{5", None),
        (r"\boxed 5", None),
        ("5", None),
        (r"\boxed{}", ""),
        (r"\boxed{1 + \boxed{2}}", r"1 + \boxed{2}"),
    ],
)
def test_the_last_balanced_box_counts(text: str, content: str | None) -> None:
    assert last_boxed(text) == content


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"The answer is 4. So \boxed{5}.", Answer("5", "boxed")),
        (r"So \boxed 5.", Answer("5", "boxed")),
        (r"\boxed{ }", None),
        ("**Answer:** 5 loaves", Answer("5 loaves", "stated")),
        ("**Final Answer:**\nEach gets **5 lollipops**.", Answer("5 lollipops", "stated")),
        ("**Final Answer**\n\n42", Answer("42", "stated")),
        ("The answer is $5$.", Answer("$5$", "stated")),
        (r"The answer is $-2$ and $1$, as we saw.", Answer("$-2$ and $1$", "stated")),
        ("The answer is 5, because 2 + 3 = 5.", Answer("5", "stated")),
        ("Answer: Rosa is 49 years old.", Answer("49", "stated")),
        ("The answer is not among the five.", Answer("not among the five", "stated")),
        ("Answer: two of the 7 boxes remain", Answer("7", "guess")),
        ("**5**", Answer("5", "bare")),
        (r"$x = \frac{1}{2}$", Answer(r"$x = \frac{1}{2}$", "bare")),
        ("It is not 5.", Answer("5", "guess")),
        (r"So the side is \(2\sqrt{3}\) in the end.", Answer(r"\(2\sqrt{3}\)", "guess")),
        ("To find the answer, we add some more", None),
        ("Answer: **", None),
        ("", None),
    ],
)
def test_without_a_box_the_fallbacks_are_named(text: str, answer: Answer | None) -> None:
    assert find_answer(text) == answer


@given(st.text(alphabet="\\{}boxedfbox 5$()[]*answer is.\n", max_size=200))
def test_an_answer_is_a_slice_of_its_text(text: str) -> None:
    answer = find_answer(text)
    assert answer is None or answer.text in text


def test_a_million_braces_are_gone_through_once() -> None:
    assert last_boxed(r"\boxed{" + "{" * 1_000_000) is None
    assert last_boxed(r"\boxed{1}" * 50_000) == "1"


@pytest.mark.parametrize(
    "piece", ["\\a1", "π1", "²a", "\\{", "a b ", "1 apples ", "x = ", "$a$, ", "answer is \\(", "**a"]
)
def test_no_text_takes_long_to_be_searched(piece: str) -> None:
    for text in (piece * (118 // len(piece)) + "&", piece * 2000 + "&", "Answer: " + piece * 500 + "&"):
        started = time.process_time()
        find_answer(text)
        assert time.process_time() - started < 2
