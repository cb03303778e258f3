"""What is written to a server and read from it, without one."""

from __future__ import annotations

from typing import Any

import pytest

from offtraj.engines.openai.failure import Malformed
from offtraj.engines.openai.wire import PREFILLS, Mode, difference, read_answer, write_body
from offtraj.model.completion import Completion, Failure, SamplingParams
from offtraj.model.prompt import Prompt

PROMPT = Prompt((5, 6, 7), "<bos>What?<think>\nOkay \n", 2, "What?", "<think>\nOkay \n")
SOLO = Prompt((5, 6), "<bos>What?", 0, "What?")
PARAMS = SamplingParams(0.6, 0.95, 100, 0)


def body(mode: Mode, prompt: Prompt = PROMPT, **fields: Any) -> tuple[str, dict[str, Any]]:
    return write_body(mode, "m", prompt, PARAMS, **{"samples": 1, "seed": 3, **fields})


def test_completion_gets_what_the_prompt_leaves_over() -> None:
    for mode in ("ids", "text", "chat"):
        assert body(mode)[1]["max_tokens"] == 97


def test_ids_and_text_are_sent_as_they_are() -> None:
    assert body("ids")[0] == "/completions"
    assert body("ids")[1]["prompt"] == [5, 6, 7]
    assert body("text")[1]["prompt"] == "<bos>What?<think>\nOkay \n"
    assert body("text", drop="<bos>")[1]["prompt"] == "What?<think>\nOkay \n"


def test_a_models_own_generation_defaults_are_overruled() -> None:
    for mode in ("ids", "text", "chat"):
        sent = body(mode)[1]
        assert (sent["temperature"], sent["top_p"], sent["seed"]) == (0.6, 0.95, 3)
        assert (sent["top_k"], sent["min_p"], sent["repetition_penalty"]) == (-1, 0.0, 1.0)
        assert sent["skip_special_tokens"] is False


def test_a_turn_is_prefilled_and_continued() -> None:
    path, sent = body("chat")
    assert path == "/chat/completions"
    assert sent["messages"] == [
        {"role": "user", "content": "What?"},
        {"role": "assistant", "content": "<think>\nOkay \n"},
    ]
    assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)
    sent = body("chat", prefill="prefix")[1]
    assert sent["messages"][-1]["prefix"] is True
    assert "continue_final_message" not in sent
    sent = body("chat", prefill="assistant")[1]
    assert sent["messages"][-1] == {"role": "assistant", "content": "<think>\nOkay \n"}


@pytest.mark.parametrize("prefill", PREFILLS)
def test_alone_there_is_nothing_to_continue(prefill: str) -> None:
    sent = body("chat", SOLO, prefill=prefill)[1]
    assert sent["messages"] == [{"role": "user", "content": "What?"}]
    assert "continue_final_message" not in sent


def choice(index: int = 0, text: object = " x\n", ended: object = "stop", **fields: Any) -> dict[str, Any]:
    return {"index": index, "text": text, "finish_reason": ended, **fields}


def test_texts_are_read_as_they_are_in_whatever_order() -> None:
    answer = read_answer(
        {"choices": [choice(1, "b ", "length"), choice(0, " a\n", token_ids=[1, 2])], "usage": {"prompt_tokens": 3}},
        2,
        prompt_tokens=3,
    )
    assert answer.choices == {0: Completion(" a\n", "stop", 3, 2), 1: Completion("b ", "length", 3, None)}
    assert answer.prompt_tokens == 3


@pytest.mark.parametrize(
    "choices",
    [
        None,
        [],
        "x",
        [None],
        [choice(text=None)],
        [choice(ended=None)],
        [choice(ended="abort")],
        [choice(2)],
        [{}],
        [choice(text="\ud83d")],
    ],
)
def test_an_answer_without_a_usable_choice_is_malformed(choices: object) -> None:
    with pytest.raises(Malformed):
        read_answer({"choices": choices}, 2, prompt_tokens=3)


def test_usable_choices_are_kept_beside_others() -> None:
    listed = [choice(0), choice(0, "again"), choice(1, None), choice(2, ended="content_filter"), choice(9)]
    found = read_answer({"choices": listed}, 4, prompt_tokens=3).choices
    assert found == {0: Completion(" x\n", "stop", 3, None), 2: Failure("finish reason 'content_filter'")}


def test_thinking_that_a_chat_server_keeps_apart_is_put_back() -> None:
    def said(**message: object) -> object:
        listed = [{"index": 0, "message": message, "finish_reason": "stop"}]
        found = read_answer({"choices": listed}, 1, prompt_tokens=3, close="</think>").choices[0]
        return found.text if isinstance(found, Completion) else found

    assert said(content="so\n</think>\n\n5") == "so\n</think>\n\n5"
    assert said(content="\n\n5", reasoning_content="so\n") == "so\n</think>\n\n5"
    assert said(content="5", reasoning="so") == "so</think>5"
    assert said(content=None, reasoning="so") == "so"


def test_every_echo_is_read() -> None:
    answer = read_answer({"choices": [choice(0, prompt_token_ids=[5])], "prompt_token_ids": [6]}, 1, prompt_tokens=1)
    assert sorted(map(list, answer.prompt_ids)) == [[5], [6]]


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        ([1, 2, 3], None),
        ([1, 1, 2, 3], "4 ids for 3, the first difference at 1: sent [2, 3], saw [1, 2, 3]"),
        ([1, 2], "2 ids for 3, the first difference at 2: sent [3], saw []"),
    ],
)
def test_the_first_difference_is_shown(seen: list[int], shown: str | None) -> None:
    assert difference([1, 2, 3], seen) == shown
