"""Where reasoning gives the answer away."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from offtraj.grading.math.pool import WorkerPool
from offtraj.grading.math.reference import MathReference
from offtraj.grading.math.reveal import MathStatements, candidates
from offtraj.grading.math.rule import RuleVerifier


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rule() -> AsyncIterator[RuleVerifier]:
    verifier = RuleVerifier(WorkerPool(workers=1))
    yield verifier
    await verifier.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("text", "gold", "upto"),
    [
        ("First 3 + 4 = 7. Then more.", "7", "First 3 + 4 = 7"),
        ("First 3 + 4 = 7. Then more.", "4", None),
        ("So x = 7.5 now.", "7", None),
        ("So x = 1,000 now.", "1000", "So x = 1,000"),
        (r"So \( x = 7 \).", "7", r"So \( x = 7"),
        ("So the answer is 7, I think.", "7", "So the answer is 7"),
        (r"Hence \boxed{\frac{1}{2}}.", "0.5", r"Hence \boxed{\frac{1}{2}}"),
        ("That's 7 apples.", "7", "That's 7"),
        ("There are 7 apples.", "7", None),
        ("It is 7 * 3, which is 21.", "7", None),
        ("It is 7 * 3, which is 21.", "21", "It is 7 * 3, which is 21"),
        ("x = 5 + 2 = 7 and y = 3.", "7", "x = 5 + 2 = 7"),
        ("x = 5 + 2", "5", None),
        ("Nothing here.", "7", None),
    ],
)
async def test_the_first_statement_of_the_answer_is_found(
    rule: RuleVerifier, text: str, gold: str, upto: str | None
) -> None:
    assert await MathStatements(text, rule).first(MathReference(gold)) == (None if upto is None else len(upto))


def test_candidates_come_in_the_order_of_the_text() -> None:
    stated = candidates(r"x = 3. Then \boxed{4}. The answer is 5. It equals 6.")
    assert [candidate.value for candidate in stated] == ["3", "4", "5", "5", "6"]
    assert [candidate.end for candidate in stated] == sorted(candidate.end for candidate in stated)


def test_a_distractor_states_the_answer_where_a_fast_comparison_finds_it() -> None:
    stated = MathStatements(r"So x = 7. Then \boxed{\frac{1}{2}}.", RuleVerifier())
    assert stated.contain(MathReference("7"))
    assert stated.contain(MathReference("0.5"))
    assert not stated.contain(MathReference("3"))
    assert not stated.contain(MathReference(r"\sqrt{1/4}"))  # that takes algebra
