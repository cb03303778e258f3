"""Composing segments: the prefix that they make, the transition between two of them, and the id of the row."""

from __future__ import annotations

from collections.abc import Sequence

from offtraj._util.digest import content_id, text_sha256
from offtraj.run.row import Segment
from offtraj.spec import TestName

__all__ = ["compose", "row_id", "transition"]


def compose(segments: Sequence[Segment]) -> str:
    """The prefix: the segments joined, which are exactly the characters behind the opening think delimiter."""
    return "".join(segment.text for segment in segments)


def transition(before: str, phrase: str, after: str) -> Segment:
    """The phrase between two pieces of reasoning, on a line of its own (paper, appendix E.1).

    It begins with a newline unless `before` is empty or ends with one, and ends with a newline unless the phrase is
    empty, or it or `after` supplies the white space. Both pieces stay unchanged.
    """
    opening = "\n" if before and not before.endswith("\n") else ""
    closing = "" if not phrase or phrase[-1].isspace() or after[:1].isspace() else "\n"
    return Segment("transition", opening + phrase + closing)


def row_id(
    test: TestName,
    variant: str,
    model: str,
    question_id: str,
    position: float | None,
    ratio: float,
    segments: Sequence[Segment],
) -> str:
    """The content hash of a row: test, variant, model, question, position, ratio, and each segment with its source."""
    pieces = [(s.role, len(s.text), s.model, s.question_id, s.sample, s.start, s.end) for s in segments]
    prefix = text_sha256(compose(segments))
    return content_id("row/1", test, variant, model, question_id, position, ratio, pieces, prefix)
