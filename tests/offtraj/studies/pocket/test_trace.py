"""Training traces are right, cut into sentences as ours are, and their slips are mended."""

from __future__ import annotations

import re
from itertools import accumulate, islice
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from offtraj.grading.math.answer import find_answer
from offtraj.model.trajectory import split
from offtraj.spec import load_spec
from offtraj.studies.pocket.problem import draw, problems
from offtraj.studies.pocket.trace import CLOSE, OPEN, answer, solution, solution_with_slip
from offtraj_builders.sentences import SentenceEnds

SUM = re.compile(r"(\d+(?:\.5)?) ([-+*/]) (\d+(?:\.5)?) = (\d+(?:\.5)?)")


@given(st.integers())
def test_every_sum_of_a_trace_is_right_and_leads_to_the_answer(seed: int) -> None:
    problem = draw(Random(seed))
    text = "".join(solution(Random(seed), problem))
    sums = SUM.findall(text)
    assert len(sums) == len(problem.events)
    held = sums[0][2] if sums[0][1] == "*" else sums[0][0]
    for left, sign, right, result in sums:
        assert held in (left, right)
        a, b = float(left), float(right)
        assert {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[sign] == float(result)
        held = result
    assert held == problem.answer


@given(st.integers())
def test_a_whole_response_is_split_and_answered(seed: int) -> None:
    problem = draw(Random(seed))
    thinking = "".join(solution(Random(seed), problem))
    trajectory = split(OPEN + thinking + CLOSE + answer(Random(seed), problem))
    assert trajectory.thinking == thinking + "\n"
    found = find_answer(trajectory.answer)
    assert found is not None
    assert found.text == problem.answer


def test_sentences_are_found_where_they_end() -> None:
    for problem in islice(problems("test", 0), 50):
        sentences = solution(Random(1), problem)
        assert SentenceEnds("".join(sentences)).all() == list(accumulate(map(len, sentences)))


@given(st.integers())
def test_a_slip_is_foreign_and_the_way_back_computes_from_the_start(seed: int) -> None:
    rng = Random(seed)
    problem, other = draw(rng), draw(rng)
    own, foreign, back = solution_with_slip(rng, problem, other)
    assert (own.learned, foreign.learned, back.learned) == (True, False, True)
    whole = "".join(solution(Random(0), problem))
    assert len(SUM.findall(back.text)) == len(problem.events)
    assert back.text.rstrip(".").endswith(whole.rpartition("So ")[2].rstrip("."))
    assert "From the start" in back.text


def test_no_lead_in_holds_the_tests_transition_phrase() -> None:
    specs = Path(__file__).parents[4] / "specs" / "quickstart"
    recoverability = load_spec(specs / "family.yaml").spec.tests.recoverability
    assert recoverability is not None
    phrase = recoverability.transition
    assert phrase == "Wait. Let me think"
    rng = Random(0)
    drawn = problems("train", 0)
    for problem, other in zip(islice(drawn, 2000), islice(drawn, 2000), strict=True):
        text = "".join(piece.text for piece in solution_with_slip(rng, problem, other))
        assert phrase not in text
        assert "Let me think" not in text
