"""Checks of a model in this process, where no server can change a prompt."""

from __future__ import annotations

from collections.abc import AsyncIterator

from offtraj.doctor.finding import Finding
from offtraj.doctor.server import Said
from offtraj.doctor.template import QUESTION
from offtraj.doctor.written import examine_solo
from offtraj.errors import EngineError
from offtraj.model.completion import Completion, Request, SamplingParams
from offtraj.model.model import Model
from offtraj.spec import SamplingSpec, TransformersSpec

__all__ = ["examine_local"]

_TOKENS = 512  # enough to think about an easy question


async def examine_local(model: Model, spec: TransformersSpec, sampling: SamplingSpec) -> AsyncIterator[Finding]:
    """Findings from three samples: two with one seed, one with another.

    Raises:
        MissingExtraError: without torch.
    """
    from offtraj.engines.transformers import LocalEngine

    chat = model.format
    assert chat is not None
    yield Finding("prompts: ids", "exact", "in this process: the model sees the ids that are made here")
    prompt = chat.solo(QUESTION)
    budget = min(sampling.max_tokens, len(prompt.ids) + _TOKENS)
    params = SamplingParams(sampling.temperature, sampling.top_p, budget, seed=0)
    requests = [Request(key, str(at), prompt, (0,), params) for at, key in enumerate(("one", "one", "other"))]
    engine = LocalEngine(model, batch=spec.batch, dtype=spec.dtype, device=spec.device)
    texts: dict[str, Completion] = {}
    try:
        async for reply in engine.replies(requests):
            assert isinstance(reply.result, Completion)
            texts[reply.request.subject] = reply.result
    except EngineError as error:
        yield Finding("model", "unsupported", str(error))
        return
    finally:
        await engine.close()
    one, again, other = (texts[str(at)] for at in range(3))
    yield _seed(one.text, again.text, other.text, greedy=sampling.temperature == 0)
    opened = bool(chat.delimiters.open) and prompt.text.rstrip("\n").endswith(chat.delimiters.open.rstrip("\n"))
    yield examine_solo(
        Said(one.text, None, one.finish_reason, reasoning=False, choices=1, seen=None, counted=None),
        chat,
        opened=opened,
    )


def _seed(one: str, again: str, other: str, *, greedy: bool) -> Finding:
    if one != again:
        return Finding(
            "seed", "inexact", "the same seed gives different texts", "publish trajectories, not seeds", needed=False
        )
    if greedy:
        return Finding("seed", "exact", "greedy: no seed is needed", needed=False)
    if one == other:
        return Finding(
            "seed", "unsupported", "every seed gives the same text: nothing shows that it has an effect", needed=False
        )
    return Finding("seed", "exact", "the same seed gives the same text, another seed another", needed=False)
