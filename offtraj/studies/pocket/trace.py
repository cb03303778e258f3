"""Reasoning traces that pocket models are trained on: solutions of problems, with or without a slip."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from offtraj.studies.pocket.problem import Problem, show

__all__ = ["CLOSE", "OPEN", "Piece", "solution", "solution_with_slip"]

OPEN, CLOSE = "<think>\n", "\n</think>\n\n"

# Phrases that introduce a slip. None contains the transition phrase of the recoverability test.
_LEADS = ("Hmm.", "Hold on.", "Hmm, wait.", "One moment.", "Wait a moment.", "Let me look again.", "So.", "Let me see.")
_RETURNS = (
    "No, that is another problem. This is about {who} and the {thing}.",
    "No, this is not my problem. Mine is about {who} and the {thing}.",
    "That was about somebody else. Back to {who} and the {thing}.",
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a training text."""

    text: str
    learned: bool
    """Whether its tokens are part of the loss; other text is context only."""


def solution(rng: Random, problem: Problem) -> list[str]:
    """The thinking that solves a problem, as sentences, each with its leading white space."""
    sentences = [
        rng.choice(
            (
                f"Okay, this is about {problem.who} and the {problem.thing}.",
                f"Okay, I count the {problem.thing} of {problem.who}.",
            )
        )
    ]
    return [*sentences, *_steps(rng, problem, "\n\nFirst,")]


def answer(rng: Random, problem: Problem) -> str:
    """The text after the thinking, with the boxed answer."""
    value = f"\\boxed{{{problem.answer}}}"
    return rng.choice((f"The answer is {value}.", f"{problem.who} has {value} {problem.thing}."))


def solution_with_slip(rng: Random, problem: Problem, other: Problem) -> list[Piece]:
    """The thinking with a slip: a lead-in, part of another problem's thinking, and the correction.

    The slip stands before a sentence that is drawn uniformly. The foreign part ends at any character, also within a
    word; it is not part of the loss. The correction computes from the start.
    """
    sentences = solution(rng, problem)
    at = rng.randrange(len(sentences))
    own = "".join(sentences[:at])
    lead = rng.choice((*_LEADS, ""))
    between = "" if not own and not lead else rng.choice(("\n", " ", "\n\n"))
    lead = f"{between if own else ''}{lead}" + (between if lead else "")
    foreign = "".join(solution(rng, other))
    foreign = foreign[: rng.randint(8, max(9, int(0.6 * len(foreign))))]
    back = rng.choice(_RETURNS).format(who=problem.who, thing=problem.thing)
    again = "".join(_steps(rng, problem, " From the start:"))
    return [Piece(own, True), Piece(lead + foreign, False), Piece(f"\n\n{back}{again}", True)]


def _steps(rng: Random, problem: Problem, first: str) -> list[str]:
    held = problem.start
    steps = [f"{first} {problem.who} has {show(held)}."]
    for event in problem.events:
        after = event.apply(held)
        match event.kind:
            case "gain":
                sum_ = f"{show(held)} + {show(event.amount)} = {show(after)}"
            case "lose":
                sum_ = f"{show(held)} - {show(event.amount)} = {show(after)}"
            case "double":
                sum_ = f"2 * {show(held)} = {show(after)}"
            case "halve":
                sum_ = f"{show(held)} / 2 = {show(after)}"
        steps.append(f" {event.text} (so {sum_})." if rng.random() < 0.3 else f" {event.text}, so {sum_}.")
        held = after
    steps.append(f"\n\nSo {problem.who} has {show(held)} {problem.thing}.")
    return steps
