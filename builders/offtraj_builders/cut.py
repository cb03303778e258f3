"""Cutting a trajectory: pure functions from a text and a share to a slice of that text.

A cut is a slice of the original text, without stripping or normalisation. Lengths are shares of the trajectory's
tokens, by the tokenizer of the model that wrote it. Where sentences end is left to `sentences`.
"""

from __future__ import annotations

from typing import NamedTuple

from offtraj.model.tokens import TokenSpans
from offtraj_builders.sentences import SentenceEnds

__all__ = ["Cut", "cut_own", "cut_steer"]


class Cut(NamedTuple):
    """A slice of a trajectory's thinking, from its start."""

    end: int
    """Offset behind its last character."""
    tokens: int
    """Length in tokens; a token that is cut in two counts as one."""


def cut_own(spans: TokenSpans, ends: SentenceEnds, position: float, *, at_least: int = 0) -> Cut:
    """The model's own segment: the first `position` of its tokens, up to the nearest sentence end.

    It is empty at position 0 and has at least one sentence at any other, so that no position repeats position 0. The
    earlier of two equally near ends is taken (paper, section 2.1).

    Args:
        spans: The tokens of the thinking.
        ends: Its sentence ends.
        position: Share of its tokens, from 0 to below 1.
        at_least: Number of characters that are kept at any position (`first_paragraph`).
    """
    end = 0
    if position > 0:
        budget = spans.budget(position)
        near = ends.around(spans.end_of(budget))
        end = min(near, key=lambda candidate: abs(spans.before(candidate) - budget), default=0)
    end = max(end, at_least)
    return Cut(end, spans.before(end))


def cut_steer(spans: TokenSpans, ratio: float) -> Cut:
    """A steer: the first `ratio` of its tokens, at least one (paper, sections 2.1 and 2.2).

    A character that consists of several tokens is never split.
    """
    end = spans.end_of(max(1, spans.budget(ratio)))
    return Cut(end, spans.before(end))
