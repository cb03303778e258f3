"""Reading a judge's reply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtraj.grading.judge.reply import read_reply

ANALYSIS = "<analysis>gold 5, student 6</analysis>\n"


def test_recorded_replies_are_read_as_they_should_be(data: Path) -> None:
    with (data / "verifier" / "judge_replies.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    read = [read_reply(row["reply"], row["finish_reason"]) for row in rows]
    assert read == [row["expected"] and row["expected"].lower() for row in rows]


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        (ANALYSIS + "<judge>CORRECT</judge>", "correct"),
        (ANALYSIS + "### Correctness\n\n**<judge>wrong</judge>**\n", "wrong"),
        (ANALYSIS + "Correctness: <judge>WRONG</judge>", "wrong"),
        ("Hm, is 6 not 5?\n</think>\n" + ANALYSIS + "<judge>WRONG</judge>", "wrong"),
        ("<analysis>He says </analysis><judge>CORRECT</judge>, no.</analysis><judge>WRONG</judge>", "wrong"),
        (ANALYSIS + "The student wants <judge>CORRECT</judge>", None),
        (ANALYSIS + "Not <judge>CORRECT</judge>", None),
        (ANALYSIS + "<judge>CORRECT</judge>, says the student", None),
        (ANALYSIS + "<judge>CORRECT</judge><judge>WRONG</judge>", None),
        (ANALYSIS + "<judge>INCORRECT</judge>", None),
        (ANALYSIS + "<judge></judge>", None),
        ("<think><judge>CORRECT</judge>", None),
        ("</think><think>again <judge>CORRECT</judge>", None),
        ("<analysis><judge>CORRECT</judge>", None),
        ("", None),
        (None, None),
    ],
)
def test_a_label_counts_only_where_it_belongs(reply: str | None, label: str | None) -> None:
    assert read_reply(reply, "stop") == label


@pytest.mark.parametrize("finish_reason", ["length", "content_filter", None])
def test_a_reply_that_was_cut_off_is_none(finish_reason: str | None) -> None:
    assert read_reply(ANALYSIS + "<judge>CORRECT</judge>", finish_reason) is None


@given(st.text(max_size=80).filter(str.strip))
def test_nothing_said_behind_the_label_leaves_it_readable(said: str) -> None:
    label = read_reply(f"{ANALYSIS}<judge>WRONG</judge>\n{said} <judge>CORRECT</judge>", "stop")
    assert label is None or "</think" in said or "</analysis" in said
