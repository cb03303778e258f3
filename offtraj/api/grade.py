"""Grading one response against a gold answer."""

from __future__ import annotations

from offtraj._util.sync import wait_for
from offtraj.grading.verdict import Verdict

__all__ = ["Verdict", "grade", "grade_async"]


def grade(gold: str, response: str, *, unit: str | None = None, tolerance: float | None = None) -> Verdict:
    r"""Grades a response by the rule that runs use: finds its final answer and compares it with the gold answer.

    A response that shows thinking delimiters (`<think>`, `<|begin_of_thought|>`, or the lines `think` and `answer`)
    is graded by what follows the thinking; any other as a whole. Expressions are compared in a process of its own,
    which takes a second to start: to grade many completions, use `regrade`.

    Args:
        gold: The gold answer (paper: y), LaTeX or plain, such as `\frac{1}{2}`.
        response: What the model wrote.
        unit: Unit of the gold answer, where it is known.
        tolerance: Largest difference of two numbers that are equal.

    Returns:
        `correct`, `incorrect` or `unscored`, who decided, and why. Thinking that never ends is incorrect with the
        reason `truncated`; what the rule cannot decide is unscored.

    Raises:
        OfftrajError: when the grading process cannot be started.
    """
    return wait_for(grade_async(gold, response, unit=unit, tolerance=tolerance))


async def grade_async(gold: str, response: str, *, unit: str | None = None, tolerance: float | None = None) -> Verdict:
    """Grades a response; the awaitable twin of `grade`.

    Args:
        gold: As in `grade`, like all parameters.
        response: What the model wrote.
        unit: Unit of the gold answer.
        tolerance: Largest difference of two numbers that are equal.

    Returns:
        The verdict.

    Raises:
        OfftrajError: as `grade` does.
    """
    from offtraj.grading import grade as grade_response

    return await grade_response(gold, response, unit=unit, tolerance=tolerance)
