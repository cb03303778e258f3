"""Grading one response without a workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from offtraj.grading import grade
from offtraj.grading.verdict import Verdict


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (r"So it is \boxed{0.5}.", Verdict("correct", "rule", "boxed")),
        ("<think>\nHm, 3?\n</think>\n\nThe answer is 1/2.", Verdict("correct", "rule", "stated")),
        ("Hm, 3?\n</think>\n\\boxed{1}", Verdict("incorrect", "rule", "boxed")),
        ("<think>\nIt is \\boxed{0.5}", Verdict("incorrect", "rule", "truncated")),
        ("I do not know.", Verdict("incorrect", "rule", "no_answer")),
        ("", Verdict("incorrect", "rule", "no_answer")),
    ],
)
async def test_a_response_is_graded_by_what_follows_its_thinking(response: str, verdict: Verdict) -> None:
    assert await grade(r"\frac{1}{2}", response) == verdict


async def test_algebra_units_and_tolerance_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (await grade(r"\sqrt{8}", r"\boxed{2\sqrt{2}}", question="How long?")).name == "correct"
    assert (await grade("4.2", r"\boxed{4.25}", tolerance=0.1)).name == "correct"
    assert (await grade("5", r"\boxed{5\text{ m}}", unit="km")) == Verdict("unscored", None, "units")
    assert list(tmp_path.iterdir()) == []  # nothing is kept
