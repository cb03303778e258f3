"""Splitting responses into thinking and answer."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtraj.model.trajectory import NONE, S1, THINK, Delimiters, continued_answer, first_paragraph, split

PIECES = ["<think>", "</think>", "\n", "think\n", "\nanswer\n", "<|begin_of_thought|>", "<|end_of_thought|>", "Okay. "]


@pytest.mark.parametrize(
    ("response", "thinking", "answer"),
    [
        ("<think>\nOkay.\n</think>\n\nSo 5.", "Okay.\n", "\n\nSo 5."),
        ("Okay.\n</think>\n\nSo 5.", "Okay.\n", "\n\nSo 5."),
        ("\nOkay.\n</think>\n\nSo 5.", "Okay.\n", "\n\nSo 5."),
        ("<|begin_of_thought|>\n\nOkay.\n\n<|end_of_thought|>\n\n<|begin_of_solution|>5", "Okay.\n\n", None),
        ("Okay. <|end_of_thought|>\n\n5", "Okay. ", "\n\n5"),
        ("think\nOkay.\nanswer\nAnswer: 5", "Okay.", "Answer: 5"),
        ("<think>\nOkay, and then", "Okay, and then", ""),
        ("Okay, and then", "Okay, and then", ""),
        ("<think>\n\n</think>\n\n5", "\n", "\n\n5"),
        ("", "", ""),
    ],
)
def test_every_think_style_is_split(response: str, thinking: str, answer: str | None) -> None:
    trajectory = split(response)
    assert trajectory.thinking == thinking
    assert answer is None or trajectory.answer == answer
    assert trajectory.response == response


def test_thinking_ends_at_the_first_closing_delimiter() -> None:
    assert split("<think>\nA</think>B</think>C").answer == "B</think>C"


def test_a_line_answer_closes_only_what_a_line_think_opened() -> None:
    assert not split("Okay.\nanswer\n5").closed
    assert split("Okay.\nanswer\n5", S1).answer == "5"


def test_without_delimiters_everything_is_thinking() -> None:
    trajectory = split("Okay. \\boxed{5}</think>", NONE)
    assert (trajectory.thinking, trajectory.closed) == ("Okay. \\boxed{5}</think>", False)


def test_a_specs_own_delimiters_are_used_exactly() -> None:
    own = Delimiters("<think> ", "</think>")
    assert split("<think> Okay.</think>5", own).thinking == "Okay."
    assert split("<think>\nOkay.</think>5", own).opening == ""


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.sampled_from([None, THINK, S1, NONE]))
def test_the_pieces_joined_are_the_response(response: str, delimiters: Delimiters | None) -> None:
    assert split(response, delimiters).response == response


def test_real_traces_are_split_as_their_files_say(data: Path) -> None:
    seen = set()
    for path in sorted((data / "traces").glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as lines:
            for row in map(json.loads, lines):
                if "think_style" not in row:
                    continue
                trajectory = split(row["response"])
                assert trajectory.response == row["response"]
                assert trajectory.closed == row["thinking_closed"], row["id"]
                assert not trajectory.thinking.startswith(("<think>", "\n"))
                seen.add(row["think_style"])
    assert seen == {"think_tags", "close_tag_only", "begin_of_thought", "s1_think_answer", "no_tags"}


@pytest.mark.parametrize(
    ("text", "paragraph"),
    [
        ("Okay, so.\n\nNext.", "Okay, so."),
        ("One\nline more.  \n \nNext.", "One\nline more."),
        ("\n\nOkay.\n\nNext.", "\n\nOkay."),
        ("All of it.\n", None),
        ("", None),
    ],
)
def test_the_first_paragraph_ends_before_a_blank_line(text: str, paragraph: str | None) -> None:
    end = first_paragraph(text)
    assert (None if end is None else text[:end]) == paragraph


@pytest.mark.parametrize(
    ("completion", "delimiters", "closed", "answer"),
    [
        (" and so on.\n</think>\n\n5", THINK, False, "\n\n5"),
        (" and so on", THINK, False, None),
        ("\n\n5", THINK, True, "\n\n5"),
        (" so \\boxed{5}", NONE, False, " so \\boxed{5}"),
    ],
)
def test_the_answer_of_a_continuation_follows_its_thinking(
    completion: str, delimiters: Delimiters, closed: bool, answer: str | None
) -> None:
    assert continued_answer(completion, delimiters, closed=closed) == answer
