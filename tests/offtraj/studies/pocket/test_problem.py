"""Problems are what they are documented to be, and the splits cannot overlap."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtraj._util.packaged import packaged
from offtraj.studies.pocket.problem import MONTHS, NAMES, THINGS, Problem, benchmark_rows, draw, problems, show

VERBS = {"gets": 1, "finds": 1, "buys": 1, "wins": 1, "loses": -1, "sells": -1, "uses": -1, "drops": -1}


def solve(question: str) -> float:
    """The answer, read from the words alone."""
    asked = re.search(r"does (\w+) have now\?$", question)
    assert asked is not None
    who = asked[1]
    start = re.match(rf"{who} has ([\d.]+\d|\d+) ", question)
    assert start is not None
    held = float(start[1])
    for event in re.findall(rf"In \w+ {who} ([\w ]+?(?: [\d.]*\d)?)(?: \([\w ]+\))?\. ", question):
        verb, _, amount = event.partition(" ")
        if verb in VERBS:
            held += VERBS[verb] * float(amount)
        else:
            held = {"doubles it all": 2 * held, "gives half away": held / 2}[event]
    return held


@given(st.integers())
def test_the_answer_is_what_a_reader_of_the_question_computes(seed: int) -> None:
    problem = draw(Random(seed))
    assert solve(problem.question) == float(problem.answer)


@given(st.integers())
def test_problems_stay_within_what_is_documented(seed: int) -> None:
    problem = draw(Random(seed))
    assert problem.who in NAMES
    assert problem.thing in THINGS
    assert 2 <= len(problem.events) <= 9
    months = [MONTHS.index(event.month) for event in problem.told]
    assert months == sorted(set(months))
    held = problem.start
    for event in problem.events:
        assert event.amount <= 121  # halves
        held = event.apply(held)
        assert 0 <= held <= 198
    others = [event for event in problem.told if event.who != problem.who]
    assert (problem.decoy is not None) == bool(others)
    assert all(event.who == problem.decoy[0] for event in others if problem.decoy is not None)
    if problem.thing in THINGS[:16]:
        assert "." not in problem.answer


def test_no_test_problem_is_a_training_problem_in_other_words() -> None:
    train = {problem.skeleton for problem in islice(problems("train", 1), 4000)}
    test = {problem.skeleton for problem in islice(problems("test", 1), 1000)}
    assert not train & test


def test_the_split_does_not_depend_on_the_words() -> None:
    problem = draw(Random(5))
    told = Problem("Una", "kites", problem.start, problem.events, None, problem.events)
    assert told.skeleton == problem.skeleton
    assert told.split == problem.split


def test_a_tenth_are_for_the_test() -> None:
    rng = Random(0)
    splits = Counter(draw(rng).split for _ in range(5000))
    assert 400 < splits["test"] < 600


def test_the_same_seed_gives_the_same_problems() -> None:
    assert list(islice(problems("test", 3), 20)) == list(islice(problems("test", 3), 20))
    assert list(islice(problems("test", 3), 20)) != list(islice(problems("test", 4), 20))


def test_difficulty_is_spread() -> None:
    drawn = list(islice(problems("test", 0), 2000))
    events = Counter(len(problem.events) for problem in drawn)
    assert min(events.values()) > 150
    assert set(events) == set(range(2, 10))
    assert 400 < sum(problem.decoy is not None for problem in drawn) < 600
    text = " ".join(problem.question for problem in drawn)
    assert re.search(r"\d\.5 ", text)
    assert "(by mistake)." in text


@pytest.mark.parametrize(("halves", "shown"), [(0, "0"), (1, "0.5"), (14, "7"), (199, "99.5")])
def test_numbers_are_shown_as_decimals(halves: int, shown: str) -> None:
    assert show(halves) == shown


def test_the_questions_that_are_shipped_are_the_generators() -> None:
    lines = (packaged("quickstart") / "questions.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == benchmark_rows(240)
    assert len({json.loads(line)["question"] for line in lines}) == 240
