"""The checks of a server, from its list of models to a solo sample."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from offtraj.doctor.finding import Finding
from offtraj.doctor.model_files import ModelFiles
from offtraj.doctor.sampled import examine_sampling
from offtraj.doctor.seen import examine_prompts
from offtraj.doctor.server import Refusal, Said, Server
from offtraj.doctor.template import QUESTION
from offtraj.doctor.written import examine_ends, examine_solo, examine_texts
from offtraj.engines.openai.endpoint import Endpoint, public_url
from offtraj.engines.openai.failure import Rejected, Unanswered
from offtraj.engines.openai.listing import ServedModel, choose_served
from offtraj.engines.openai.wire import Mode
from offtraj.model.model import Model
from offtraj.spec import SamplingSpec

__all__ = ["examine_served"]

_SOLO = 2048  # tokens, enough to think about an easy question


class _Entry(NamedTuple):
    """The model's entry in a server's list, and the finding on it."""

    finding: Finding
    model: ServedModel | None


async def examine_served(
    endpoint: Endpoint, model: Model, files: ModelFiles, sampling: SamplingSpec, wanted: str, *, forces: bool
) -> AsyncIterator[Finding]:
    """All findings on a server.

    Args:
        endpoint: The server.
        model: The model.
        files: The model's configuration files.
        sampling: The spec's sampling parameters.
        wanted: The spec's prompt mode.
        forces: Whether some prefixes end the thinking (answer-forcing).
    """
    chat = model.format
    assert chat is not None
    finding, entry = await _entry(endpoint, model)
    yield finding
    if entry is None:
        return
    yield _context(entry, sampling.max_tokens)
    server = Server(endpoint, entry.id, chat, sampling)
    seen = await examine_prompts(server, wanted, forces=forces)
    for finding in seen.findings:
        yield finding
    if "chat" in seen.modes:
        yield await _parser(server, needed=seen.mode == "chat")
    if seen.mode is None:
        return
    async for finding in examine_sampling(server, seen.mode):
        yield finding
    prompt = chat.solo(QUESTION)
    most = min(sampling.max_tokens, entry.max_model_len or sampling.max_tokens) - len(prompt.ids)
    said: tuple[Said, ...] = seen.said
    try:
        solo = await server.ask(seen.mode, prompt, max(1, min(_SOLO, most)))
    except Refusal as refusal:
        yield Finding("solo sample", "unsupported", f"refused: {refusal}")
    else:
        said = (*said, solo)
        opened = bool(chat.delimiters.open) and prompt.text.rstrip("\n").endswith(chat.delimiters.open.rstrip("\n"))
        yield examine_solo(solo, chat, opened=opened)
    for finding in examine_texts(said, chat, files.ends):
        yield finding
    yield examine_ends(said, chat, files.ends)


async def _entry(endpoint: Endpoint, model: Model) -> _Entry:
    """The model in the server's list, as a run would choose it."""
    url = public_url(endpoint.base_url)
    name = model.path or model.id
    try:
        listed = await endpoint.models()
    except Rejected as error:
        if error.status in (404, 405, 501):
            what = f"{url} lists no models: requests name {name!r}"
            return _Entry(Finding("served model", "unsupported", what, needed=False), ServedModel(name, None))
        remedy = "give the key: `api_key_env` names the variable that holds it" if error.status in (401, 403) else ""
        return _Entry(Finding("server", "unsupported", f"{url}: {error}", remedy), None)
    except Unanswered as error:
        remedy = "start the server, or give its address with --engine URL"
        return _Entry(Finding("server", "unsupported", f"{url} does not respond: {error}", remedy), None)
    found = choose_served(listed, (model.id, name))
    if found is not None and found.id in (model.id, name):
        return _Entry(Finding("served model", "exact", f"{found.id!r} at {url}"), found)
    if found is not None:
        what = f"{url} serves only {found.id!r}, which is assumed to be {name!r}"
        remedy = f"serve it under its name (vLLM: --served-model-name {model.id})"
        return _Entry(Finding("served model", "inexact", what, remedy, needed=False), found)
    shown = ", ".join(repr(served.id) for served in listed) or "no model"
    what = f"{url} serves {shown}, and not {model.id!r} or {name!r}"
    return _Entry(Finding("served model", "unsupported", what, "serve it under one of these names"), None)


def _context(entry: ServedModel, max_tokens: int) -> Finding:
    length, name = entry.max_model_len, "served context"
    if length is None:
        return Finding(name, "unsupported", "the server does not report its context length", needed=False)
    if length < max_tokens:
        what = f"{length:,} tokens of prompt and completion, and up to {max_tokens:,} are sampled"
        remedy = f"vLLM: --max-model-len {max_tokens}; or set sampling.max_tokens to {length}"
        return Finding(name, "inexact", what, remedy)
    return Finding(name, "exact", f"{length:,} tokens of prompt and completion, of {max_tokens:,} that are sampled")


async def _parser(server: Server, *, needed: bool) -> Finding:
    """Whether the server removes thinking from the text of chat replies."""
    mode: Mode = "chat"
    try:
        said = await server.ask(mode, server.chat.solo(QUESTION), 64)
    except Refusal as refusal:
        return Finding("reasoning parser", "unsupported", f"refused: {refusal}", needed=needed)
    if said.reasoning:
        what = "chat replies have their thinking in a separate field, without delimiters and surrounding white space"
        remedy = "serve the model without --reasoning-parser" if needed else ""
        return Finding("reasoning parser", "inexact", what, remedy, needed=needed)
    return Finding("reasoning parser", "exact", "none: chat replies are one text", needed=needed)
