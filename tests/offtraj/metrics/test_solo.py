"""The solo score of a model."""

from __future__ import annotations

import pytest

from offtraj.metrics.solo import score_solo


def test_the_average_is_the_mean_over_benchmarks() -> None:
    found = score_solo({"aime": {"0/8": 3, "8/8": 1}, "math": {"6/8": 40}})
    assert found is not None
    assert (found.questions, found.samples) == (44, 352)
    assert found.benchmarks == {"aime": 0.25, "math": 0.75}
    assert found.score == 0.5


def test_it_is_the_papers_average_of_benchmarks() -> None:
    """Qwen3-1.7B in the paper's Table 4, to a tenth."""
    shares = {"aime24": 442, "aime25": 367, "math500": 921, "minerva": 595, "olympiad": 673}
    found = score_solo({name: {f"{share}/1000": 2} for name, share in shares.items()})
    assert found is not None
    assert found.score == pytest.approx(0.599, abs=0.001)


def test_it_is_shown_in_percent() -> None:
    assert str(score_solo({"math": {"0/8": 5, "8/8": 5}})).startswith("50.0 (")
    assert str(score_solo({"math": {"8/8": 1}})) == "100.0 (1 question)"


def test_without_questions_there_is_none() -> None:
    assert score_solo({}) is None
    assert score_solo({"math": {"8/8": 0}}) is None
