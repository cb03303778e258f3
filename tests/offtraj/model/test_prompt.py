"""Prompts: rendered here, tokenised once, the prefix inside the thinking."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.chat_server import chatting
from support.echo import echoed, hundred_prompts
from support.models import TEMPLATES, Template, make_tokenizer
from support.prefixes import KINDS, hundred_prefixes
from tokenizers import normalizers

from offtraj.errors import EngineError
from offtraj.model.prompt import ChatFormat, fill_template, question_template
from offtraj.model.trajectory import NONE, THINK, Delimiters
from offtraj_builders.cut import cut_steer

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
        chat.tokenizer.decode(list(prompt.ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        == prompt.text
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


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_hundred_real_prefixes_stand_behind_the_delimiter_exactly(template: Template, data: Path) -> None:
    chat = make_format(template, THINK)
    prefixes = hundred_prefixes(data, chat.tokens)
    counts = Counter(one.kind for one in prefixes)
    assert counts.total() == 100
    assert counts.keys() == KINDS.keys()
    prompts = chat.steered([(one.question, one.prefix) for one in prefixes])
    for one, prompt in zip(prefixes, prompts, strict=True):
        assert KINDS[one.kind](one.prefix)
        expected = chat.generation_prompt(one.question).removesuffix("<think>\n") + "<think>\n" + one.prefix
        decoded = chat.tokenizer.decode(list(prompt.ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        assert decoded == expected == prompt.text


@pytest.mark.parametrize("template", TEMPLATES)
def test_cuts_by_tokens_end_with_whole_characters(template: Template, data: Path) -> None:
    chat = make_format(template, THINK)
    within = 0
    for one in hundred_prefixes(data, chat.tokens):
        text = one.source[:1500]
        spans = chat.tokens.spans(text)
        cuts = [cut_steer(spans, share) for share in (0.2, 0.4, 0.6, 0.8)]
        for cut, share in zip(cuts, (0.2, 0.4, 0.6, 0.8), strict=True):
            budget = spans.budget(share)
            whole = np.searchsorted(spans.ends, cut.end - 1, side="right")  # tokens, with a character less
            assert whole < budget <= cut.tokens
            within += cut.tokens > budget
        steered = chat.steered([("x", text[: cut.end]) for cut in cuts])
        for cut, prompt in zip(cuts, steered, strict=True):
            decoded = chat.tokenizer.decode(
                list(prompt.ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
            assert isinstance(decoded, str)
            assert decoded.endswith("<think>\n" + text[: cut.end])
    assert within > 10  # budgets that end between two tokens of one character


def test_decomposed_characters_stay_as_the_model_wrote_them() -> None:
    text = "r_i\u0304 and J\u0302\u207a, \u212b, \ufb01"
    chat = make_format("qwen3")
    assert chat.steered([("x", text)])[0].text.endswith(text)
    whole = make_tokenizer("qwen3")
    assert whole.decode(whole(text)["input_ids"]) != text  # as the tokenizer has it


@pytest.mark.parametrize(
    "normalizer", [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip(), normalizers.Replace("  ", " ")]
)
def test_a_tokenizer_that_changes_text_is_refused(normalizer: normalizers.Normalizer) -> None:
    tokenizer = make_tokenizer("qwen3")
    tokenizer.backend_tokenizer.normalizer = normalizer
    chat = ChatFormat(tokenizer, None, name="changing")
    with pytest.raises(EngineError, match="changing: its tokenizer does not reproduce a prompt's text, first at"):
        chat.steered([("x", "\ufb01ne,  SO  ")])


def test_a_tokenizer_that_changes_text_is_shown_to_do_so() -> None:
    tokenizer = make_tokenizer("qwen3")
    tokenizer.backend_tokenizer.normalizer = normalizers.NFKC()
    chat = ChatFormat(tokenizer, None, name="changing")
    chat.steered([("x", "fine")])
    with pytest.raises(EngineError, match=r"at character 59: '.*<think>\\n\\ufb01ne' became '.*<think>\\nfine'"):
        chat.steered([("x", "\ufb01ne")])


@pytest.mark.parametrize("template", TEMPLATES)
async def test_a_server_sees_the_ids_of_a_hundred_real_prompts(template: Template, data: Path, tmp_path: Path) -> None:
    make_tokenizer(template).save_pretrained(tmp_path)
    prompts = hundred_prompts(make_format(template, THINK), data)
    async with chatting(tmp_path) as server:
        assert await echoed(server.base_url, prompts) == [prompt.ids for prompt in prompts]
        as_text = await echoed(server.base_url, prompts, mode="text")
    changed = sum(seen != prompt.ids for seen, prompt in zip(as_text, prompts, strict=True))
    assert (changed == 0) == (template == "r1")  # Qwen's normal form composes what a server tokenises
