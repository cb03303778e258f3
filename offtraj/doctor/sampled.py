"""Checks of how a server samples: several choices, seeds, and its own sampling defaults."""

from __future__ import annotations

from collections.abc import AsyncIterator

from offtraj.doctor.finding import Finding
from offtraj.doctor.server import Refusal, Server
from offtraj.doctor.template import QUESTION
from offtraj.engines.openai.wire import Mode
from offtraj.model.prompt import Prompt

__all__ = ["examine_sampling"]

_LENGTH = 32  # tokens in which seeds can be distinguished
_KEYS = ("top_k", "min_p", "repetition_penalty")


async def examine_sampling(server: Server, mode: Mode) -> AsyncIterator[Finding]:
    """Findings on two choices, on equal and different seeds, and on requests without sampling parameters."""
    (prompt,) = server.chat.steered([(QUESTION, "So")])
    for check, name in ((_choices, "n"), (_seed, "seed"), (_settings, "sampling settings")):
        try:
            yield await check(server, mode, prompt)
        except Refusal as refusal:
            yield Finding(name, "unsupported", f"refused: {refusal}", needed=False)


async def _choices(server: Server, mode: Mode, prompt: Prompt) -> Finding:
    got = (await server.ask(mode, prompt, 1, n=2)).choices
    if got == 2:
        return Finding("n", "exact", "two choices for two requested", needed=False)
    what = f"2 choices were requested, {got} arrived: missing samples are requested again"
    return Finding("n", "unsupported", what, needed=False)


async def _seed(server: Server, mode: Mode, prompt: Prompt) -> Finding:
    if server.sampling.temperature == 0:
        return Finding("seed", "exact", "greedy: no seed is needed", needed=False)
    one, again, other = [(await server.ask(mode, prompt, _LENGTH, seed=seed)).text for seed in (1, 1, 2)]
    if one != again:
        what = f"the same seed gives different texts: {one[:20]!r}, {again[:20]!r}"
        return Finding("seed", "inexact", what, "publish trajectories, not seeds", needed=False)
    if one == other:
        what = f"every seed gives the same {_LENGTH} tokens: nothing shows that it has an effect"
        return Finding("seed", "unsupported", what, needed=False)
    what = f"the same seed gives the same {_LENGTH} tokens, another seed others"
    return Finding("seed", "exact", what, needed=False)


async def _settings(server: Server, mode: Mode, prompt: Prompt) -> Finding:
    """Whether the server's own defaults (top-k, repetition penalty …) leak, and whether requests override them."""
    name = "sampling settings"
    if mode == "chat" or server.sampling.temperature == 0:
        return Finding(
            name,
            "unsupported",
            f"cannot be determined {'in chat mode' if mode == 'chat' else 'when greedy'}",
            needed=False,
        )
    greedy = (await server.ask(mode, prompt, _LENGTH, temperature=0.0)).text
    hot = {"temperature": 2.0, "top_p": 1.0}
    ours, again = [(await server.ask(mode, prompt, _LENGTH, seed=3, **hot)).text for _ in range(2)]  # type: ignore[arg-type]
    bare = (await server.ask(mode, prompt, _LENGTH, seed=3, without=_KEYS, **hot)).text  # type: ignore[arg-type]
    narrow = (await server.ask(mode, prompt, _LENGTH, seed=3, top_k=1, **hot)).text  # type: ignore[arg-type]
    if ours != again or ours == greedy:
        return Finding(name, "unsupported", "nothing shows them: texts with one seed are not comparable", needed=False)
    if narrow != greedy:
        what = "the server ignores `top_k`: requests cannot override its own defaults"
        return Finding(name, "inexact", what, "start vLLM with --generation-config vllm", needed=False)
    if bare != ours:
        return Finding(
            name, "exact", "the server has defaults of its own (top-k or penalties), which requests override"
        )
    return Finding(name, "exact", "only those of the request")
