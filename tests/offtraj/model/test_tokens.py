"""Where tokens stand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.models import make_tokenizer

from offtraj.model.tokens import HubTokens, Words

TEXTS = ["Okay, so  3 + 4 = 7.\n\nGood.", "嗯，我现在 要解决\u3000这个。", "  leading\u00a0space ", "🙂🙂 x", "", "   "]


@given(st.text(max_size=80))
def test_words_joined_are_the_text(text: str) -> None:
    spans = Words().spans(text)
    words = [text[a:b] for a, b in zip(spans.starts, spans.ends, strict=True)]
    assert "".join(words) == (text if text.strip() else "")
    assert len(words) == len(text.split())


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_runs_of_non_space_with_the_space_that_follows(text: str) -> None:
    spans = Words().spans(text)
    expected = re.findall(r"\s*\S+\s*|\S+\s*", text)
    assert len(spans) == len(expected)


@pytest.mark.parametrize("text", TEXTS)
def test_hub_tokens_count_what_the_tokenizer_gives(text: str) -> None:
    tokenizer = make_tokenizer("r1")
    spans = HubTokens(tokenizer, "tiny").spans(text)
    assert len(spans) == len(tokenizer(text, add_special_tokens=False)["input_ids"])
    assert spans.before(len(text)) == len(spans)
    assert spans.end_of(len(spans)) == len(text)


def test_a_budget_is_rounded_to_whole_tokens() -> None:
    spans = Words().spans("a b c d e f g h i j")
    assert [spans.budget(share) for share in (0, 0.2, 0.25, 0.34, 1)] == [0, 2, 3, 3, 10]
    assert (spans.end_of(0), spans.end_of(2), spans.end_of(99)) == (0, 4, 19)
    assert (spans.before(4), spans.before(5)) == (2, 3)
