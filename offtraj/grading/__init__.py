"""Grading: the rule of a domain, an LLM judge where the rule cannot decide, and the verdict.

`grade` grades one response without a workspace; for many, open a grader once with `grading.opening.open_grader`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offtraj.grading.verdict import Verdict

__all__ = ["grade"]


async def grade(
    gold: str, response: str, *, question: str = "", unit: str | None = None, tolerance: float | None = None
) -> Verdict:
    r"""The verdict of the rule on one response to a mathematical question; nothing is kept.

    The answer is looked for in what follows the thinking: behind `</think>` or another known delimiter, or in the
    whole response where it shows none. A response that opens its thinking and does not close it is incorrect, with
    the reason `truncated`. Algebra is done in a process of its own, whose start takes seconds.

    Args:
        gold: The gold answer, such as `\frac{1}{2}`.
        response: What the model wrote.
        question: The question's text; the rule does not need it.
        unit: Unit of the gold answer, if it is not part of `gold`.
        tolerance: Largest accepted absolute difference of numbers.

    Raises:
        OfftrajError: when the process cannot be started.
    """
    from offtraj.grading.grader import GradingItem
    from offtraj.grading.math.domain import MATH
    from offtraj.grading.math.reference import MathReference
    from offtraj.grading.opening import open_grader
    from offtraj.model.trajectory import split
    from offtraj.store import Store

    pieces = split(response)
    text = pieces.answer if pieces.closed else None if pieces.opening.strip() else response
    item = GradingItem(question, MathReference(gold, unit, tolerance))
    with Store(None) as store:
        async with open_grader(MATH, store=store) as grader:
            return await grader.grade(item, text, None)
