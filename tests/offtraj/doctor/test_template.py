"""What a doctor tells of templates, without asking anybody."""

from __future__ import annotations

import pytest
from support.models import Template, make_tokenizer
from tokenizers import normalizers, processors

from offtraj.doctor import Finding
from offtraj.doctor.prefill import examine_prefill
from offtraj.doctor.template import examine_template, found_delimiters
from offtraj.model.prompt import ChatFormat
from offtraj.model.trajectory import NONE, THINK, Delimiters

TAGS = "'<think>\\n' … '</think>'"
EMPTY_BLOCK = "an empty think block is put before the prefix (all but: closing delimiter)"
DROPPED = "the template keeps it, but where it ends the thinking: the thinking is dropped, and servers refuse the turn"
BOS = "'<|begin|>' in the template, and another one from the tokenizer: doubled in text with special tokens added"
NO_BOS = "none, neither in the template nor by the tokenizer"
COMPOSES = "the tokenizer would compose characters (NFC): ids are made without that, but text that is sent is changed"

# By template: who opens the thinking, the system prompt, the BOS, the question, and a prefilled turn.
TOLD = {
    "r1": (
        f"the template opens it: {TAGS}, found in the generation prompt",
        "none",
        BOS,
        "is in the prompt unchanged",
        DROPPED,
    ),
    "qwq": (
        f"the template opens it: {TAGS}, found in the generation prompt",
        "none",
        NO_BOS,
        "is in the prompt unchanged",
        DROPPED,
    ),
    "qwen3": (
        f"the model opens it itself: {TAGS}, found in the template and the tokens",
        "none",
        NO_BOS,
        "is in the prompt unchanged",
        f"the template changes it: {EMPTY_BLOCK}",
    ),
    "qwen2.5": (
        "neither its template nor its tokens show delimiters",
        "the template adds 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.'",
        NO_BOS,
        "is in the prompt unchanged",
        "the template keeps it, for each of 8 texts",
    ),
    "qwen3.5": (
        f"the template opens it: {TAGS}, found in the generation prompt",
        "none",
        NO_BOS,
        "white space around it is trimmed by the template",
        f"the template changes it: {EMPTY_BLOCK}; white space at the end is trimmed (trailing spaces, trailing newlines)",
    ),
}


def examined(tokenizer: object, think: Delimiters | None = None, mode: str = "ids") -> dict[str, Finding]:
    chat = ChatFormat(tokenizer, think or NONE, name="it")  # type: ignore[arg-type]
    chat.delimiters = think or found_delimiters(chat) or NONE
    findings = list(examine_template(chat, think, mode=mode))
    if not any(one.ends for one in findings):
        findings.append(examine_prefill(chat, needed=mode == "chat", forces=True))
    assert len({one.check for one in findings}) == len(findings)
    return {one.check: one for one in findings}


@pytest.mark.parametrize("template", TOLD)
def test_the_five_templates_are_told_apart(template: Template) -> None:
    found = examined(make_tokenizer(template))
    thinking, system, bos, question, prefill = TOLD[template]
    assert found["template"].state == "exact"
    assert found["thinking"].found == thinking
    assert found["thinking"].state == ("unsupported" if template == "qwen2.5" else "exact")
    assert found["system prompt"].found == system
    assert found["BOS"].found == bos
    assert found["question"].found.startswith(question)
    assert found["chat prefill"].found == prefill
    assert found["chat prefill"].state == ("exact" if template == "qwen2.5" else "inexact")
    assert found["round trip"].state == "exact"
    assert found["normal form"].found == (
        "the tokenizer leaves characters as they are" if template == "r1" else COMPOSES
    )
    # Nothing of all this stands in the way of ids, but that nobody knows how Qwen2.5 thinks.
    assert [one.check for one in found.values() if one.needed and one.state != "exact"] == (
        ["thinking"] if template == "qwen2.5" else []
    )


def test_what_a_spec_states_is_taken_and_held_against_the_template() -> None:
    assert examined(make_tokenizer("qwen2.5"), NONE)["thinking"].found == "no delimiters, as the spec states"
    own = Delimiters("<reason>", "</reason>")
    told = examined(make_tokenizer("qwen2.5"), own)["thinking"]
    assert told.found == "the model opens it itself: '<reason>' … '</reason>', as the spec states"
    for wrong in (own, NONE):
        told = examined(make_tokenizer("r1"), wrong)["thinking"]
        assert (told.state, told.needed) == ("inexact", True)
        assert told.found.startswith("the template opens it with '<think>\\n', and the spec states ")
    assert examined(make_tokenizer("r1"), THINK)["thinking"].state == "exact"


def test_a_template_that_ends_the_thinking_at_once_is_seen() -> None:
    tokenizer = make_tokenizer("qwen3")
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "enable_thinking is defined and enable_thinking is false", "true"
    )
    told = examined(tokenizer)["thinking"]
    assert told.state == "unsupported"
    assert "ends the thinking before the model writes anything" in told.found


def test_a_template_that_breaks_is_all_that_is_found() -> None:
    tokenizer = make_tokenizer("qwen3")
    tokenizer.chat_template = "{{ messages[0].images | length }}{{ raise_exception('only pictures') }}"
    found = examined(tokenizer)
    assert list(found) == ["template"]
    assert found["template"].state == "unsupported"
    assert "it: its chat template cannot be rendered:" in found["template"].found


def test_a_template_that_takes_no_system_prompt_has_none() -> None:
    tokenizer = make_tokenizer("r1")
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "{% if m.role == 'system' %}{{ m.content }}", "{% if m.role == 'system' %}{{ raise_exception('no system') }}"
    )
    assert examined(tokenizer)["system prompt"].found == "none, and the template takes none"


def test_where_the_bos_comes_from_is_told() -> None:
    tokenizer = make_tokenizer("r1")
    tokenizer.chat_template = tokenizer.chat_template.replace("{{ bos_token }}", "")
    assert examined(tokenizer)["BOS"].found.startswith("'<|begin|>' added by the tokenizer only")
    tokenizer.chat_template = "{{ bos_token }}{{ bos_token }}" + tokenizer.chat_template
    assert examined(tokenizer)["BOS"].state == "inexact"
    tokenizer = make_tokenizer("r1")
    tokenizer.backend_tokenizer.post_processor = processors.Sequence([])  # adds nothing
    assert examined(tokenizer)["BOS"].found == "'<|begin|>' in the template, and none added by the tokenizer"


def test_a_tokenizer_that_changes_text_is_found_out() -> None:
    tokenizer = make_tokenizer("qwen3")
    tokenizer.backend_tokenizer.normalizer = normalizers.NFKC()
    found = examined(tokenizer)
    told = found["round trip"]
    assert list(found)[-1] == "round trip"  # without it nothing can be asked
    assert (told.state, told.needed) == ("unsupported", True)
    assert told.found.startswith("Chinese: it: its tokenizer does not reproduce a prompt's text, first at")


@pytest.mark.parametrize("mode", ["text", "chat"])
def test_a_normal_form_stands_in_the_way_of_text(mode: str) -> None:
    told = examined(make_tokenizer("qwq"), mode=mode)["normal form"]
    assert (told.state, told.needed) == ("inexact", True)
    assert examined(make_tokenizer("r1"), mode=mode)["normal form"].state == "exact"
