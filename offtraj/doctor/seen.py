"""Checks of what a server sees of a prompt, in each prompt mode."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, get_args

from offtraj.doctor.change import SECOND_BOS, changes, describe
from offtraj.doctor.finding import Finding
from offtraj.doctor.server import Refusal, Said, Server
from offtraj.doctor.template import CLOSING, QUESTION, probes
from offtraj.engines.openai.wire import Mode, difference
from offtraj.model.prompt import ChatFormat, Prompt

__all__ = ["Seen", "examine_prompts"]

_LINE = 120


class Seen(NamedTuple):
    """The results of the prompts."""

    findings: tuple[Finding, ...]
    mode: Mode | None
    """The prompt mode of a run; `None` where the server does not accept it."""
    said: tuple[Said, ...]
    """The completions in that mode."""
    modes: tuple[Mode, ...]
    """All modes that the server accepts."""


async def examine_prompts(server: Server, wanted: str, *, forces: bool) -> Seen:
    """Findings on prefixes that are often changed: what the server reports to have seen, in each mode.

    Args:
        server: The server.
        wanted: The spec's mode, or `auto` for the first that the server accepts.
        forces: Whether some prefixes end the thinking (answer-forcing).
    """
    kinds = probes(server.chat.delimiters)
    if not forces:
        kinds.pop(CLOSING, None)
    prompts = dict(zip(kinds, server.chat.steered([(QUESTION, prefix) for prefix in kinds.values()]), strict=True))
    answers: dict[Mode, list[Said]] = {}
    findings: dict[Mode, Finding] = {}
    for mode in get_args(Mode):
        findings[mode], answers[mode] = await _mode(server, mode, prompts)
    taken = tuple(mode for mode in findings if answers[mode])
    used = next((mode for mode in taken if wanted in (mode, "auto")), None)
    first: Mode = used or ("ids" if wanted == "auto" else wanted)  # type: ignore[assignment]  # a Mode, if not auto
    listed = [
        Finding(one.check, one.state, one.found, one.remedy if mode == first else "", needed=mode == first)
        for mode, one in findings.items()
    ]
    echo = _echo(answers["ids"], list(prompts.values())) if answers["ids"] else []
    return Seen((*listed, *echo), used, tuple(answers[used] if used else ()), taken)


async def _mode(server: Server, mode: Mode, prompts: Mapping[str, Prompt]) -> tuple[Finding, list[Said]]:
    """The finding of one mode, and the answers; no answers where the server refuses the first prompt."""
    name = f"prompts: {mode}"
    found: dict[str, tuple[str, ...]] = {}
    answers: list[Said] = []
    note = ""
    for kind, prompt in prompts.items():
        try:
            answer = await server.ask(mode, prompt, 1)
            if mode == "text" and SECOND_BOS in _changes(server.chat, prompt, answer):
                server.drop, note = (
                    str(server.chat.tokenizer.bos_token),
                    " (the server's own BOS stands for the template's)",
                )
                answer = await server.ask(mode, prompt, 1)
        except Refusal as refusal:
            if not answers:
                return Finding(name, "unsupported", f"refused: {_shortened(str(refusal))}", _instead(mode)), []
            found[kind] = (f"refused: {_shortened(str(refusal))}",)
        else:
            answers.append(answer)
            found[kind] = _changes(server.chat, prompt, answer)
    if any(found.values()):
        return Finding(name, "inexact", f"taken, but: {describe(found)}{note}", _instead(mode)), answers
    shown = "the same ids" if answers[0].seen is not None else "as many ids"
    return Finding(name, "exact", f"taken: {shown} for each of {len(prompts)} texts{note}"), answers


def _changes(chat: ChatFormat, prompt: Prompt, answer: Said) -> tuple[str, ...]:
    """The differences between the prompt that was sent and the one that the server saw."""
    sent = list(prompt.ids)
    if answer.seen is not None:
        if list(answer.seen) == sent:
            return ()
        text = chat.tokenizer.decode(list(answer.seen), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        words = changes(prompt, str(text), chat.delimiters, chat.tokenizer.bos_token)
        return words or (f"the same text is split into other tokens, {difference(sent, answer.seen)}",)
    if answer.counted is None:
        return ("the server does not report what it saw",)
    extra = answer.counted - len(sent)
    if extra == 1 and sent[:1] == [chat.tokenizer.bos_token_id]:
        return (SECOND_BOS,)  # the likely explanation
    return (f"{abs(extra)} ids {'more' if extra > 0 else 'fewer'} are counted",) if extra else ()


def _echo(answers: list[Said], prompts: list[Prompt]) -> list[Finding]:
    """Whether a run can compare the ids that the server saw with those that were sent."""
    if any(answer.seen is not None for answer in answers):
        return [
            Finding("echo", "exact", "the server reports the ids that it saw, and a run compares them", needed=False)
        ]
    what = "the server does not report the ids that it saw"
    counted = [answer.counted for answer in answers]
    if counted == [len(prompt.ids) for prompt in prompts]:
        what += ", only their number, which is that of the ids sent"
    return [Finding("echo", "unsupported", what, "vLLM does, for `return_token_ids`", needed=False)]


def _shortened(text: str) -> str:
    """The first sentence of a message, of at most a line."""
    sentence = re.split(r"(?<=[.!?]) ", text, maxsplit=1)[0]
    return sentence if len(sentence) <= _LINE else sentence[:_LINE] + " …"


def _instead(mode: Mode) -> str:
    other = "serve the model with vLLM or SGLang, which take ids" if mode == "ids" else "send ids (`prompts: ids`)"
    return f"{other}, or `prompts: auto` for what the server takes" if mode == "ids" else other
