"""Cutting a trajectory: pure functions from a text and a share to a slice of that text.

Every cut is a slice of the original: no strip, no normalisation. Lengths are shares of the trajectory's
tokens, in the tokenizer of whoever wrote it (`tokens`).
"""

from __future__ import annotations

from typing import NamedTuple

from offtraj.model.tokens import TokenSpans
from offtraj_builders.sentences import SentenceEnds

__all__ = ["Cut", "cut_own", "cut_steer"]


class Cut(NamedTuple):
    """A slice of a trajectory's thinking, from its start."""

    end: int
    """Behind its last character."""
    tokens: int
    """Its length in tokens; a token that the end runs through counts."""


def cut_own(spans: TokenSpans, ends: SentenceEnds, position: float, *, at_least: int = 0) -> Cut:
    """The model's own segment: the first `position` of its tokens, to the nearest sentence end.

    At position 0 it is empty. At any other it holds at least one sentence, so that no position repeats
    position 0; of two ends equally near, the earlier is taken (paper, section 2.1).

    Args:
        spans: The tokens of the thinking.
        ends: Its sentence ends.
        position: Share of its tokens, from 0 to below 1.
        at_least: Characters that are kept whatever the position (`first_paragraph`).
    """
    end = 0
    if position > 0:
        budget = spans.budget(position)
        near = ends.around(spans.end_of(budget))
        end = min(near, key=lambda candidate: abs(spans.before(candidate) - budget), default=0)
    end = max(end, at_least)
    return Cut(end, spans.before(end))


def cut_steer(spans: TokenSpans, ratio: float) -> Cut:
    """A steer: the first `ratio` of its tokens, and at least one (paper, sections 2.1 and 2.2).

    A character that several tokens share is taken whole.
    """
    end = spans.end_of(max(1, spans.budget(ratio)))
    return Cut(end, spans.before(end))
