"""Cuts are slices, at sentence ends or token budgets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.models import make_tokenizer

from offtraj.model.tokens import HubTokens, TokenSpans, Words
from offtraj_builders.cut import cut_own, cut_steer
from offtraj_builders.sentences import SentenceEnds

TEXT = "One two three. Four five six seven. Eight nine 3.14 ten. Eleven."


def make_spans(text: str) -> TokenSpans:
    return Words().spans(text)


def own(text: str, position: float, **fields: int) -> str:
    return text[: cut_own(make_spans(text), SentenceEnds(text), position, **fields).end]


def test_at_position_0_the_own_segment_is_empty() -> None:
    assert own(TEXT, 0) == ""


@pytest.mark.parametrize(
    ("position", "segment"),
    [
        (0.01, "One two three."),
        (0.2, "One two three."),
        (0.6, "One two three. Four five six seven."),
        (0.8, "One two three. Four five six seven. Eight nine 3.14 ten."),
        (0.99, TEXT),
    ],
)
def test_the_own_segment_ends_at_the_nearest_sentence_end(position: float, segment: str) -> None:
    assert own(TEXT, position) == segment


def test_of_two_ends_equally_near_the_earlier_is_taken() -> None:
    text = "A b. C d. E f. G h."  # 8 words: half is 4, the ends stand at 2, 4, 6 and 8
    assert own(text, 0.375) == "A b."  # 3 is as far from 2 as from 4


def test_no_position_but_0_gives_an_empty_segment() -> None:
    assert own("A long sentence without any end in sight", 0.2) == "A long sentence without any end in sight"


def test_what_must_be_kept_is_kept() -> None:
    assert own(TEXT, 0, at_least=14) == "One two three."
    assert own(TEXT, 0.6, at_least=14) == "One two three. Four five six seven."


def test_a_cut_counts_its_tokens() -> None:
    cut = cut_own(make_spans(TEXT), SentenceEnds(TEXT), 0.2)
    assert cut.tokens == 3


@pytest.mark.parametrize(
    ("ratio", "steer"),
    [(0.01, "One "), (0.2, "One two "), (0.5, "One two three. Four five six "), (1, TEXT)],
)
def test_a_steer_is_cut_at_its_token_budget(ratio: float, steer: str) -> None:
    assert TEXT[: cut_steer(make_spans(TEXT), ratio).end] == steer


def test_a_character_of_several_tokens_is_taken_whole() -> None:
    text = "🙂🙂🙂🙂"
    spans = HubTokens(make_tokenizer("r1"), "tiny").spans(text)
    assert len(spans) > len(text)
    for ratio in (0.1, 0.3, 0.5, 0.9):
        cut = cut_steer(spans, ratio)
        assert text[: cut.end].encode()  # no half of a character
        assert cut.tokens == spans.before(cut.end)


@given(st.text(alphabet=st.sampled_from(list("ab .!?\n3。")), max_size=120), st.floats(0, 0.99), st.floats(0.01, 1))
def test_every_cut_lies_within_the_text(text: str, position: float, ratio: float) -> None:
    spans, ends = make_spans(text), SentenceEnds(text)
    for cut in (cut_own(spans, ends, position), cut_steer(spans, ratio)):
        assert 0 <= cut.end <= len(text)
        assert 0 <= cut.tokens <= len(spans)
    assert cut_own(spans, ends, position).end in {0, *ends.all()}


def test_later_positions_never_cut_earlier() -> None:
    spans, ends = make_spans(TEXT), SentenceEnds(TEXT)
    cuts = [cut_own(spans, ends, share / 20).end for share in range(20)]
    assert cuts == sorted(cuts)
