"""A steered trajectory is a tuple of segments: how they are joined, what stands between them, and what identifies the row."""

from __future__ import annotations

from collections.abc import Sequence

from offtraj._util.digest import content_id, text_sha256
from offtraj.run.row import Segment
from offtraj.spec import TestName

__all__ = ["compose", "row_id", "transition"]


def compose(segments: Sequence[Segment]) -> str:
    """The prefix: the segments joined. Exactly the characters behind the opening think delimiter."""
    return "".join(segment.text for segment in segments)


def transition(before: str, phrase: str, after: str) -> Segment:
    """The phrase between two pieces of reasoning, on a line of its own (paper, appendix E.1).

    A newline is put before it where something stands there that does not end with one, and behind it
    where `after` does not begin with white space: both pieces stay as they were written.
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
    """The content hash of a row: what is asked of whom, and each piece of the prefix with its source."""
    pieces = [(s.role, len(s.text), s.model, s.question_id, s.sample, s.start, s.end) for s in segments]
    prefix = text_sha256(compose(segments))
    return content_id("row/1", test, variant, model, question_id, position, ratio, pieces, prefix)
