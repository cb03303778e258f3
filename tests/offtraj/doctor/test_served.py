"""What a doctor tells of servers, which render, tokenise and decode for real."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.chat_server import ChatServer, chatting
from support.models import TEMPLATES, Template

from offtraj.doctor import Diagnosis, examine

from .conftest import MakeSpec, found, states

ALL = ("n", "seed", "top_k", "skip_special_tokens", "add_special_tokens", "ids", "text", "chat")
NOT_NEEDED = {"chat prefill", "system prompt", "question", "prompts: text", "prompts: chat"}


def without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in ALL if name not in names)


@pytest.fixture
def diagnose(folders: Mapping[Template, Path], make_spec: MakeSpec) -> Any:
    """Examine a template's model on a server that does what the keywords say."""

    async def work(template: Template, spec: Mapping[str, Any] | None = None, **fields: Any) -> Diagnosis:
        async with chatting(folders[template], **fields) as server:
            file = make_spec(folders[template], **{"base_url": server.base_url, **(spec or {})})
            diagnosis = await examine(file, "tiny")
        work.server = server  # type: ignore[attr-defined]
        return diagnosis

    return work


@pytest.mark.parametrize("template", TEMPLATES)
async def test_a_server_that_changes_nothing_is_exact(diagnose: Any, template: Template) -> None:
    diagnosis = await diagnose(template)
    assert [one.check for one in diagnosis.ailing] == (["thinking"] if template == "qwen2.5" else [])
    assert set(states(diagnosis)) <= NOT_NEEDED | {"thinking"}
    assert found(diagnosis, "prompts: ids").found == "taken: the same ids for each of 8 texts"
    assert found(diagnosis, "echo").found == "the server reports the ids that it saw, and a run compares them"
    assert found(diagnosis, "served model").found.startswith("'tiny' at http://127.0.0.1:")
    assert found(diagnosis, "n").state == found(diagnosis, "seed").state == "exact"
    assert found(diagnosis, "white space").state == "exact"
    assert found(diagnosis, "stop").found.endswith("'<|end|>'" if template == "r1" else "'<|im_end|>'")
    if template != "qwen2.5":
        assert found(diagnosis, "solo sample").found.endswith("with its thinking opened and closed")


async def test_what_chat_mode_does_differs_by_template(diagnose: Any) -> None:
    """As chat endpoints do it to a prefilled turn, seen in the ids that the server echoes."""
    empty = "an empty think block is put before the prefix"
    composed = "characters are composed (NFC) (decomposed characters)"
    trimmed = "white space at the end is trimmed (trailing spaces, trailing newlines)"
    for template, told in {
        "r1": "taken: the same ids for each of 8 texts",
        "qwq": f"taken, but: {composed}",
        "qwen3": f"taken, but: {empty}; {composed}",
        "qwen2.5": f"taken, but: {composed}",
        "qwen3.5": f"taken, but: {empty}; {trimmed}; {composed}",
    }.items():
        diagnosis = await diagnose(template)
        assert found(diagnosis, "prompts: chat").found == told
        assert not found(diagnosis, "prompts: chat").needed
        diagnosis = await diagnose(template, {"prompts": "chat"})
        assert found(diagnosis, "prompts: chat").needed
        exact = {"r1": [], "qwen2.5": ["thinking", "normal form", "prompts: chat"]}
        expected = exact.get(template, ["normal form", *["chat prefill"] * (template != "qwq"), "prompts: chat"])
        assert [one.check for one in diagnosis.ailing] == expected


async def test_answer_forcing_makes_chat_mode_inexact_where_templates_drop_thinking(diagnose: Any) -> None:
    forcing = "{guidability: {variants: [default, answer-forcing]}}"
    diagnosis = await diagnose(
        "r1", {"prompts": "chat", "tests": forcing, "guides": "[{id: guide, path: x, engine: api}]"}
    )
    assert [one.check for one in diagnosis.ailing] == ["chat prefill", "prompts: chat"]
    told = found(diagnosis, "prompts: chat").found
    assert told.startswith("taken, but: refused: 400: continue_final_message is set but the final message does not")
    assert told.endswith("(closing delimiter)")


async def test_a_second_bos_is_found_and_a_run_leaves_its_own_out(diagnose: Any) -> None:
    diagnosis = await diagnose("r1", {"prompts": "text"}, heeds=without("add_special_tokens"))
    told = found(diagnosis, "prompts: text")
    assert (told.state, told.needed) == ("exact", True)
    assert told.found.endswith("(the server's own BOS stands for the template's)")
    counted = await diagnose("r1", {"prompts": "text"}, heeds=without("add_special_tokens"), echoes=False)
    assert found(counted, "prompts: text").found == (
        "taken: as many ids for each of 8 texts (the server's own BOS stands for the template's)"
    )


async def test_a_server_that_sees_other_ids_is_found_out(diagnose: Any) -> None:
    diagnosis = await diagnose("qwen3", changes_ids=True)
    told = found(diagnosis, "prompts: ids")
    assert (told.state, told.needed) == ("inexact", True)
    assert "it is changed, first at character" in told.found


async def test_a_server_that_takes_no_ids_is_told_to_be_asked_otherwise(diagnose: Any) -> None:
    diagnosis = await diagnose("r1", heeds=without("ids"))
    told = found(diagnosis, "prompts: ids")
    assert told.state == "unsupported"
    assert told.found == "refused: 400: prompt: ids are not taken"
    assert "`prompts: auto`" in told.remedy
    assert [one.check for one in diagnosis.ailing] == ["prompts: ids"]
    auto = await diagnose("r1", {"prompts": "auto"}, heeds=without("ids"))
    assert not auto.ailing
    assert found(auto, "prompts: text").needed


async def test_a_server_that_takes_nothing_is_of_no_use(diagnose: Any) -> None:
    diagnosis = await diagnose("r1", {"prompts": "auto"}, heeds=without("ids", "text", "chat"))
    assert [one.check for one in diagnosis.ailing] == ["prompts: ids"]
    assert {found(diagnosis, f"prompts: {mode}").state for mode in ("ids", "text", "chat")} == {"unsupported"}


async def test_trimmed_prompts_are_seen_in_text_mode(diagnose: Any) -> None:
    diagnosis = await diagnose("r1", {"prompts": "text"}, trims_prompts=True)
    told = found(diagnosis, "prompts: text")
    assert (told.state, told.needed) == ("inexact", True)
    assert told.found == "taken, but: white space at the end is trimmed (trailing spaces, trailing newlines)"


async def test_a_turn_behind_the_servers_own_opening_is_seen(diagnose: Any) -> None:
    diagnosis = await diagnose("r1", {"prompts": "chat"}, appends=True)
    assert found(diagnosis, "prompts: chat").found == "taken, but: the opening delimiter is there twice"


async def test_trimmed_completions_are_seen(diagnose: Any) -> None:
    diagnosis = await diagnose("qwen3", trims_completions=True)
    told = found(diagnosis, "white space")
    assert (told.state, told.needed) == ("inexact", True)
    assert told.found.startswith("completions are trimmed: ")


async def test_a_server_that_does_not_echo_can_only_be_counted(diagnose: Any) -> None:
    diagnosis = await diagnose("qwen3", echoes=False)
    assert not diagnosis.ailing
    assert found(diagnosis, "prompts: ids").found == "taken: as many ids for each of 8 texts"
    assert found(diagnosis, "echo").state == "unsupported"
    assert {found(diagnosis, name).state for name in ("white space", "special tokens", "stop")} == {"unsupported"}
    mute = await diagnose("qwen3", echoes=False, counts=False)
    assert [one.check for one in mute.ailing] == ["prompts: ids"]
    assert found(mute, "prompts: ids").found == "taken, but: the server does not report what it saw"


async def test_a_reasoning_parser_is_seen(diagnose: Any) -> None:
    diagnosis = await diagnose("r1", parser=True)
    assert found(diagnosis, "reasoning parser").state == "inexact"
    assert not diagnosis.ailing  # ids go past it
    chat = await diagnose("r1", {"prompts": "chat"}, parser=True)
    assert "reasoning parser" in [one.check for one in chat.ailing]


async def test_too_short_a_context_is_seen_before_a_run(diagnose: Any) -> None:
    diagnosis = await diagnose("qwen3", context=1024)
    told = found(diagnosis, "served context")
    assert (told.state, told.needed) == ("inexact", True)
    assert told.found == "1,024 tokens of prompt and completion, and up to 2,048 are sampled"
    unknown = await diagnose("qwen3", context=None)
    assert found(unknown, "served context").state == "unsupported"
    assert not unknown.ailing


async def test_n_seed_and_settings_are_tried(diagnose: Any) -> None:
    diagnosis = await diagnose("qwen3", heeds=without("n"))
    assert found(diagnosis, "n").found.startswith("2 choices were requested, 1 arrived")
    diagnosis = await diagnose("qwen3", heeds=without("seed"))
    assert found(diagnosis, "seed").found.startswith("the same seed gives different texts")
    assert found(diagnosis, "sampling settings").state == "unsupported"  # without seeds nothing is comparable
    diagnosis = await diagnose("qwen3", write=lambda prompt, draw: "Always the same.")
    assert found(diagnosis, "seed").state == "unsupported"
    diagnosis = await diagnose("qwen3", {"temperature": 0})
    assert found(diagnosis, "seed").found == "greedy: no seed is needed"
    diagnosis = await diagnose("qwen3", defaults={"top_k": 20})
    assert found(diagnosis, "sampling settings").found.startswith("the server has defaults of its own")
    assert found(diagnosis, "sampling settings").state == "exact"
    diagnosis = await diagnose("qwen3", defaults={"top_k": 20}, heeds=without("top_k"))
    assert found(diagnosis, "sampling settings").found.startswith("the server ignores `top_k`")


async def test_special_tokens_that_are_taken_out_are_seen(diagnose: Any) -> None:
    def write(prompt: str, draw: Any) -> str:
        return "<think>\nfive<|im_start|>\n</think>\n\n5"

    kept = await diagnose("qwen3", write=write)
    assert found(kept, "special tokens").found.startswith("kept in the text")
    lost = await diagnose("qwen3", write=write, heeds=without("skip_special_tokens"))
    assert found(lost, "special tokens").state == "inexact"
    assert not found(lost, "special tokens").needed  # Qwen3's delimiters are no special tokens


async def test_a_model_that_thinks_otherwise_is_seen(diagnose: Any) -> None:
    diagnosis = await diagnose("qwen3", write=lambda prompt, draw: "It is 5.")
    told = found(diagnosis, "solo sample")
    assert (told.state, told.needed) == ("unsupported", False)
    assert "it does not open its thinking with '<think>': 'It is 5.'; it does not close it: 'It is 5.'" in told.found
    again = await diagnose("r1", write=lambda prompt, draw: "<think>\nFive.\n</think>\n\n5")
    assert "it opens its thinking again, after the template has" in found(again, "solo sample").found
    endless = await diagnose("qwen3", write=lambda prompt, draw: "<think>\n" + "so " * 4000)
    assert "it does not close it within the limit" in found(endless, "solo sample").found
    assert found(endless, "stop").found == "no completion ended within the limit"


async def test_the_model_is_chosen_as_a_run_chooses_it(diagnose: Any, folders: Mapping[Template, Path]) -> None:
    diagnosis = await diagnose("qwen3", model=str(folders["qwen3"]))
    assert found(diagnosis, "served model").state == "exact"
    diagnosis = await diagnose("qwen3", model="another")
    assert found(diagnosis, "served model").state == "inexact"
    assert "serves only 'another', which is assumed to be" in found(diagnosis, "served model").found
    diagnosis = await diagnose("qwen3", lists=False)
    assert "lists no models" in found(diagnosis, "served model").found
    server: ChatServer = diagnose.server
    assert {body["model"] for body in server.requests} == {str(folders["qwen3"])}


async def test_nobody_there_and_a_wrong_key_are_findings(
    diagnose: Any, folders: Mapping[Template, Path], make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = await examine(make_spec(folders["qwen3"]), "tiny")
    (told,) = gone.ailing
    assert told.check == "server"
    assert told.found.startswith("http://127.0.0.1:9/v1 does not respond: ")
    monkeypatch.setenv("PROBE_KEY", "wrong-secret")
    refused = await diagnose("qwen3", {"engine": ", api_key_env: PROBE_KEY"}, key="right")
    (told,) = refused.ailing
    assert told.check == "server"
    assert "401" in told.found and "wrong-secret" not in told.found
    assert told.remedy.startswith("give the key")
    monkeypatch.setenv("PROBE_KEY", "right")
    assert not (await diagnose("qwen3", {"engine": ", api_key_env: PROBE_KEY"}, key="right")).ailing
