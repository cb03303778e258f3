"""Finding the answer."""

from __future__ import annotations

import pytest

from offtraj.verify import Answer, find_answer, last_boxed


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
        ("**Answer:** 5 loaves", Answer("5 loaves", "stated")),
        ("**Final Answer:**\nEach gets **5 lollipops**.", Answer("5 lollipops", "stated")),
        ("**Final Answer**\n\n42", Answer("42", "stated")),
        ("The answer is $5$.", Answer("$5$.", "stated")),
        ("To find the answer, we add 3 and 4", None),
        ("It is not 5.", None),
        ("Answer: **", None),
        ("", None),
    ],
)
def test_without_a_box_only_a_statement_counts(text: str, answer: Answer | None) -> None:
    assert find_answer(text) == answer


def test_a_million_braces_are_gone_through_once() -> None:
    assert last_boxed(r"\boxed{" + "{" * 1_000_000) is None
    assert last_boxed(r"\boxed{1}" * 50_000) == "1"
