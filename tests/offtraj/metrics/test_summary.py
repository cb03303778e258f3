"""Summaries of runs: how prompts were sent, token usage, and what is unscored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.factories import make_row

from offtraj.grading.verdict import Verdict
from offtraj.metrics.summary import summarise_run
from offtraj.metrics.usage import OutcomeTokens, token_usage
from offtraj.model.completion import Completion, FinishReason, PromptMode
from offtraj.run.outcome import Outcome, outcome_of, outcome_schema, outcomes_to_batch, read_outcomes

OF_ROW = (make_row().test, make_row().variant)
RIGHT = Verdict("correct", "rule", "boxed")


def make_outcome(
    tokens: int = 10,
    finish: FinishReason | None = "stop",
    *,
    prefix: int | None = 20,
    prompt: int = 40,
    limit: int | None = 100,
    exactness: PromptMode = "ids",
    **fields: Any,
) -> Outcome:
    """An outcome that took so many tokens."""
    done = Completion("x", finish, prompt, tokens)
    made = outcome_of(make_row(), 0, done, RIGHT, exactness=exactness, prefix_tokens=prefix, max_tokens=limit)
    return replace(made, **fields)


def make_missing(reason: str, row: str = "a" * 64, **fields: Any) -> Outcome:
    """An outcome whose completion failed to generate."""
    verdict = Verdict("unscored", None, reason)
    made = outcome_of(make_row(), 0, None, verdict, exactness="ids", prefix_tokens=20, max_tokens=100)
    return replace(made, row_id=row, **fields)


def usage(*outcomes: Outcome) -> Any:
    return token_usage([OutcomeTokens.of(outcome) for outcome in outcomes])


def test_what_is_cut_off_is_counted_whatever_its_verdict() -> None:
    found = usage(
        make_outcome(60, "length"), make_outcome(60, "length", verdict="incorrect"), make_outcome(20),
        make_missing("not_sampled: timeout"),
    )  # fmt: skip
    assert (found.completions, found.cut_off, found.cut_early) == (3, 2, 0)
    assert (found.mean_tokens, found.median_tokens) == (pytest.approx(140 / 3), 60)


def test_a_prefix_over_the_limit_takes_more_than_all_of_it() -> None:
    found = usage(make_outcome(0, "length", prefix=120, prompt=140), make_outcome(prefix=20))
    assert (found.mean_prefix_share, found.max_prefix_share) == (pytest.approx(0.7), 1.2)
    assert (found.cut_off, found.cut_early) == (1, 0)


def test_an_end_before_the_limit_is_somebody_elses() -> None:
    """An engine that holds fewer tokens than the spec asks for."""
    found = usage(make_outcome(30, "length"), make_outcome(60, "length"))
    assert (found.cut_off, found.cut_early) == (2, 1)
    assert "2 of 2 completions ended by length, 1 of them before the limit was reached" in str(found)
    # Of a chat turn the server counts tokens that we do not.
    assert usage(make_outcome(30, "length", exactness="chat")).cut_early == 0


def test_what_recordings_do_not_say_is_not_known_and_not_zero() -> None:
    found = usage(make_outcome(finish=None, tokens=None, prefix=None, limit=None))  # type: ignore[arg-type]
    assert (found.completions, found.cut_off, found.mean_tokens, found.max_prefix_share) == (1, None, None, None)
    assert not found.is_known
    assert str(found) == "not known"


def test_what_is_missing_is_counted_by_reason_with_examples_and_a_remedy() -> None:
    timeout, prefix = "not_sampled: timeout after 3600 s", "not_sampled: the prefix holds '</think>'"
    outcomes = [make_outcome(), *(make_missing(timeout, f"{n:064x}") for n in range(5)), make_missing(prefix)]
    summary = summarise_run(outcomes)
    assert [(one.reason, one.n, one.rows) for one in summary.unscored] == [
        (timeout, 5, tuple(f"{n:064x}" for n in range(3))),
        (prefix, 1, ("a" * 64,)),
    ]
    assert summary.missing == (
        f"unscored: 6 of 7: {timeout} (5), {prefix} (1); for example row 000000000000; the same command tries 5 of them "
        "again"
    )
    assert "again" not in summarise_run([make_missing(prefix)]).missing  # it would change nothing
    assert "again" not in summarise_run([replace(make_missing("units"), completion="x")]).missing
    assert summarise_run([make_outcome()]).missing == ""


def test_reasons_that_all_differ_are_not_all_kept() -> None:
    summary = summarise_run(make_missing(f"not_sampled: request {n} failed", f"{n:064x}") for n in range(1000))
    assert len(summary.unscored) == 51
    assert sum(one.n for one in summary.unscored) == 1000
    assert (summary.unscored[0].reason, summary.unscored[0].n) == ("other reasons", 950)
    assert summary.missing.count("failed") == 3 and "47 more reasons" in summary.missing


def test_a_servers_words_move_no_cursor() -> None:
    said = summarise_run([make_missing("not_sampled: \x1b[2J\u202egone\r\nfor good")]).missing
    assert "not_sampled: [U+001B][2J[U+202E]gone[U+000D] for good (1)" in said
    assert said.isprintable()


def test_modes_are_counted_and_all_but_ids_marked() -> None:
    exact = summarise_run([make_outcome(), make_outcome()])
    assert (exact.mark, exact.marked("tiny"), exact.sent) == ("", "tiny", "prompts: as token ids")
    mixed = summarise_run([make_outcome(), *[make_outcome(exactness="chat")] * 2])
    assert mixed.exactness == {"chat": 2, "ids": 1}
    assert mixed.marked("tiny") == "tiny (chat, ids)"
    assert mixed.sent.startswith("prompts: as a prefilled chat turn (2 of 3), as token ids (1 of 3), so not known")
    assert "chat: the server's chat template rendered it" in mixed.sent


def test_outcomes_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """They have neither the limit, nor what grading again needs, nor whether the prefix closes the thinking."""
    schema = outcome_schema()
    for later in (["max_tokens"], ["max_tokens", "closes_thinking", "question", "answer", "unit", "tolerance"]):
        table = pa.Table.from_batches([outcomes_to_batch([make_outcome()], schema)]).drop_columns(later)
        pq.write_table(table, tmp_path / "old.parquet")
        for texts in (True, False):
            (read,) = read_outcomes(
                tmp_path / "old.parquet", closes_thinking=lambda test, variant: (test, variant) == OF_ROW, texts=texts
            )
            assert read.closes_thinking == ("closes_thinking" in later)
            assert (read.max_tokens, read.prefix_share, read.tokens) == (None, None, 10)
            assert (read.completion, read.answer) == ("x" if texts else None, "" if "answer" in later else "1")
        assert (
            str(summarise_run([read]).usage)
            == "0 of 1 completions ended by length; 10 tokens on average, 10 in the median"
        )
