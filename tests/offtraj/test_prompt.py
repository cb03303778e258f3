"""Prompts: rendered here, tokenised once, the prefix inside the thinking."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from support.models import Template, make_tokenizer

from offtraj.errors import EngineError
from offtraj.prompt import ChatFormat, fill_template, question_template
from offtraj.trajectory import NONE, THINK, Delimiters, split

PREFIXES = [
    "",
    "Okay.",
    "\nOkay. ",
    "Wait. Let me think\nSo  ",
    "嗯，🙂 \\(x^2\\)\n\n",
    "a\u00a0b\u2028c",
    " " * 7 + "\t",
]
OPENED = {"r1": "<|Assistant|><think>\n", "qwen3": "<|im_start|>assistant\n<think>\n"}


def make_format(template: Template, delimiters: Delimiters | None = None) -> ChatFormat:
    return ChatFormat(make_tokenizer(template), delimiters, name=template)


@pytest.mark.parametrize("template", ["r1", "qwen3"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_ids_decode_to_template_delimiter_and_prefix(template: Template, prefix: str) -> None:
    chat = make_format(template)
    prompt = chat.steered([("What is 3 + 4?", prefix)])[0]
    assert prompt.text.endswith(OPENED[template] + prefix)
    assert prompt.text.count("<think>") == 1
    assert (
        chat.tokenizer.decode(prompt.ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) == prompt.text
    )


def test_solo_prompts_leave_the_opening_to_whom_the_template_leaves_it() -> None:
    assert make_format("r1").solo("x").text.endswith("<|Assistant|><think>\n")
    assert make_format("qwen3").solo("x").text.endswith("<|im_start|>assistant\n")


def test_there_is_one_bos() -> None:
    chat = make_format("r1")
    bos = chat.tokenizer.bos_token_id
    assert chat.solo("x").ids.count(bos) == 1
    assert chat.steered([("x", "Okay.")])[0].ids.count(bos) == 1


def test_there_is_no_system_prompt_but_the_templates_own() -> None:
    assert "system" not in make_format("qwen3").solo("x").text


def test_the_prefixs_tokens_are_counted() -> None:
    chat = make_format("qwen3")
    empty, short = chat.steered([("x", ""), ("x", "Okay, so")])
    assert empty.prefix_tokens == 0
    assert short.prefix_tokens == len(short.ids) - len(empty.ids)


def test_prompts_in_a_batch_are_those_alone() -> None:
    chat = make_format("r1")
    pairs = [(f"q{n}", prefix) for n, prefix in enumerate(PREFIXES)]
    assert chat.steered(pairs) == [chat.steered([pair])[0] for pair in pairs]
    assert chat.steered([]) == []


def test_a_half_written_delimiter_is_completed() -> None:
    tokenizer = make_tokenizer("r1")
    tokenizer.chat_template = tokenizer.chat_template.replace("<think>\n", "<think>")
    chat = ChatFormat(tokenizer, None, name="half")
    assert chat.steered([("x", "Okay.")])[0].text.endswith("<|Assistant|><think>\nOkay.")


def test_a_model_that_shows_no_delimiters_must_be_told() -> None:
    with pytest.raises(EngineError, match="state `think` in the spec"):
        make_format("qwen2.5")
    chat = make_format("qwen2.5", NONE)
    assert chat.steered([("x", "Okay.")])[0].text.endswith("<|im_start|>assistant\nOkay.")
    told = make_format("qwen2.5", Delimiters("<think> ", "</think>"))
    assert told.steered([("x", "Okay.")])[0].text.endswith("<|im_start|>assistant\n<think> Okay.")


def test_delimiters_are_found_in_the_template() -> None:
    assert make_format("r1").delimiters == make_format("qwen3").delimiters == THINK


def test_a_tokenizer_without_template_is_refused() -> None:
    tokenizer = make_tokenizer("r1")
    tokenizer.chat_template = None
    with pytest.raises(EngineError, match="no chat template"):
        ChatFormat(tokenizer, None, name="bare")


def test_a_template_that_cannot_be_rendered_is_said() -> None:
    tokenizer = make_tokenizer("r1")
    tokenizer.chat_template = "{{ raise_exception('only tools') }}"
    with pytest.raises(EngineError, match="broken: its chat template cannot be rendered: only tools"):
        ChatFormat(tokenizer, None, name="broken")


def test_a_question_is_put_in_once() -> None:
    assert fill_template("Q: {question}!", "what of {question} and {x}?") == "Q: what of {question} and {x}?!"
    assert question_template("math", None).startswith("{question}\n\nPlease reason step by step")
    assert question_template("math", "{question}") == "{question}"


@pytest.mark.parametrize("template", ["r1", "qwen3"])
def test_real_prefixes_go_through_the_tokenizer_unchanged(template: Template, data: Path) -> None:
    chat = make_format(template)
    checked = 0
    for name in ("aime25_dagmath", "mip", "skythought"):
        with gzip.open(data / "traces" / f"{name}.jsonl.gz", "rt") as lines:
            for row in [json.loads(next(lines)) for _ in range(30)]:
                prefix = split(row["response"]).thinking[:1500]
                prompt = chat.steered([(row["question"], prefix)])[0]
                decoded = chat.tokenizer.decode(
                    prompt.ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
                )
                assert decoded.endswith(OPENED[template] + prefix)
                checked += 1
    assert checked == 90
