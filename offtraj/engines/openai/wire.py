"""Requests to and answers of an OpenAI-compatible server, in each of three prompt modes. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from offtraj.engines.openai.failure import Malformed
from offtraj.model.completion import Completion, Failure, SamplingParams
from offtraj.model.prompt import Prompt

__all__ = ["PREFILLS", "Answer", "Mode", "difference", "read_answer", "write_body"]

Mode = Literal["ids", "text", "chat"]
"""Token ids or text on `/completions`, or a prefilled turn on `/chat/completions`."""

PREFILLS = ("continue_final_message", "prefix", "assistant")
"""Ways to tell a server to continue the last turn: a key of the request (vLLM, SGLang), a key of the message (DeepSeek,
Mistral), or none but the assistant's turn being last (llama.cpp, routers)."""

_OURS: Mapping[str, Any] = {
    # Neutral values, stated, so that a model's own generation defaults do not leak into the test.
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    # No token is added, removed or normalised, and the server reports the ids that it saw.
    "return_token_ids": True,
    "add_special_tokens": False,
    "skip_special_tokens": False,
    "spaces_between_special_tokens": False,
}


class Answer(NamedTuple):
    """The answer to one request."""

    choices: Mapping[int, Completion | Failure]
    """Completions and failures by number in the request; unusable choices are missing."""
    prompt_ids: tuple[Sequence[int], ...]
    """The prompt's ids that the server reports, once for each time that it does."""
    prompt_tokens: int | None
    """The number of prompt tokens that the server reports."""


def write_body(
    mode: Mode,
    model: str,
    prompt: Prompt,
    params: SamplingParams,
    *,
    samples: int,
    seed: int,
    prefill: str = PREFILLS[0],
    drop: str = "",
) -> tuple[str, dict[str, Any]]:
    """The path and the JSON body of a request.

    Args:
        mode: The prompt mode.
        model: The model's name at the server.
        prompt: A prompt shorter than its token limit.
        params: The sampling parameters.
        samples: Number of choices.
        seed: Seed of the first choice.
        prefill: One of `PREFILLS`, in chat mode.
        drop: A prefix of the text that the server adds by itself, in text mode.
    """
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": params.max_tokens - len(prompt.ids),
        "temperature": params.temperature,
        "top_p": params.top_p,
        "seed": seed,
    }
    if samples > 1:
        body["n"] = samples
    if mode == "ids":
        return "/completions", {**body, "prompt": list(prompt.ids), **_OURS}
    if mode == "text":
        return "/completions", {**body, "prompt": prompt.text.removeprefix(drop), **_OURS}
    messages: list[dict[str, Any]] = [{"role": "user", "content": prompt.user}]
    body["messages"] = messages
    if prompt.thinking:
        messages.append({"role": "assistant", "content": prompt.thinking})
        if prefill == "prefix":
            messages[-1]["prefix"] = True
    if prefill == "continue_final_message":
        body |= _OURS
        if prompt.thinking:
            body |= {"continue_final_message": True, "add_generation_prompt": False}
    return "/chat/completions", body


def read_answer(answer: Mapping[str, Any], samples: int, *, prompt_tokens: int, close: str = "") -> Answer:
    """The completions in an answer's JSON; nothing is stripped.

    Args:
        answer: The JSON.
        samples: Number of choices requested.
        prompt_tokens: The prompt's length in tokens, as counted here.
        close: The closing think delimiter, which chat servers with a field for thinking have removed.

    Raises:
        Malformed: when no choice is usable.
    """
    listed = answer.get("choices")
    if not isinstance(listed, list) or not listed:
        raise Malformed(f"no choices: {str(answer)[:80]!r}")
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    used = usage.get("completion_tokens") if samples == 1 else None
    seen = [answer.get("prompt_token_ids")]
    choices: dict[int, Completion | Failure] = {}
    unusable = ""
    for choice in listed:
        if not isinstance(choice, dict):
            unusable = str(choice)[:80]
            continue
        seen.append(choice.get("prompt_token_ids"))
        index, text, ended = choice.get("index", 0), _text(choice, close), choice.get("finish_reason")
        if not isinstance(index, int) or not 0 <= index < samples or index in choices:
            unusable = f"choice {index!r} of {samples} asked"
        elif text is not None and not _is_unicode(text):
            unusable = "text that is not Unicode: half of a surrogate pair"
        elif text is None or ended in (None, "abort", "error"):
            unusable = f"finish reason {ended!r}, text {'missing' if text is None else 'there'}"
        elif ended not in ("stop", "length"):
            choices[index] = Failure(f"finish reason {ended!r}")
        else:
            ids = choice.get("token_ids")
            tokens = len(ids) if isinstance(ids, list) else used
            choices[index] = Completion(text, ended, prompt_tokens, tokens)
    if not choices:
        raise Malformed(unusable)
    counted = usage.get("prompt_tokens")
    return Answer(choices, tuple(ids for ids in seen if isinstance(ids, list)), counted or None)


def difference(sent: Sequence[int], seen: Sequence[int]) -> str | None:
    """The first difference between two prompts' ids, as text; `None` where they are equal."""
    if list(sent) == list(seen):
        return None
    pairs = enumerate(zip(sent, seen, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(sent), len(seen)))
    return (
        f"{len(seen)} ids for {len(sent)}, the first difference at {at}: sent {list(sent[at : at + 5])}, "
        f"saw {list(seen[at : at + 5])}"
    )


def _text(choice: Mapping[str, Any], close: str) -> str | None:
    if "message" not in choice:
        text = choice.get("text")
        return text if isinstance(text, str) else None
    message = choice["message"]
    if not isinstance(message, dict):
        return None
    thought = message.get("reasoning_content") or message.get("reasoning")
    content = message.get("content")
    if isinstance(thought, str):
        return thought + (close + content if content else "")
    return content if isinstance(content, str) else None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
