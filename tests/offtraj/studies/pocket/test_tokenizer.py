"""The family's tokenizer: words and numbers are single tokens, and any text comes back as it was."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtraj.studies.pocket.problem import problems
from offtraj.studies.pocket.tokenizer import make_tokenizer
from offtraj.studies.pocket.trace import solution


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer("opens-thinking")


def ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_numbers_are_single_tokens(tokenizer: Any) -> None:
    for number in range(100):
        assert len(ids(tokenizer, f" {number}")) == 1
        assert len(ids(tokenizer, f"{{{number}}}.")) == 3


def test_words_are_single_tokens(tokenizer: Any) -> None:
    for problem in islice(problems("test", 0), 100):
        for text in (problem.question, "".join(solution(Random(0), problem))):
            pieces = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)
            assert len(ids(tokenizer, text)) == len(pieces)


@given(text=st.text())
def test_any_text_comes_back(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(ids(tokenizer, text), clean_up_tokenization_spaces=False) == text


def test_it_is_made_the_same_again(tokenizer: Any) -> None:
    again = make_tokenizer("opens-thinking")
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


@pytest.mark.parametrize(
    ("template", "end"), [("opens-thinking", "assistant\n<think>\n"), ("leaves-thinking", "assistant\n")]
)
def test_templates_open_the_thinking_or_leave_it(template: Any, end: str) -> None:
    made = make_tokenizer(template)
    messages = [{"role": "user", "content": "How many?"}]
    rendered = made.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert rendered == f"<|im_start|>user\nHow many?<|im_end|>\n<|im_start|>{end}"
