"""Asking an engine for what the store does not have yet, and keeping every reply at once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict, replace

from offtraj._util.digest import content_id
from offtraj._util.progress import OnProgress, no_steps
from offtraj.engines.engine import Engine
from offtraj.model.completion import Completion, Reply, Request, SamplingParams, contiguous_runs
from offtraj.model.prompt import Prompt
from offtraj.store import Origin, Store

__all__ = ["request_key", "sample"]

_InFlight = dict[tuple[str, int], list[Request]]
"""Key and sample of what is in flight, with the requests that want the same."""


def request_key(identity: str, subject: str, prompt: Prompt | None, params: SamplingParams) -> str:
    """What a request's completions are kept under: model, prompt ids and sampling parameters.

    A recording has no prompt; there, it is the subject. Positions, report options and all else that does
    not reach the model are no part of it.
    """
    asked = f"subject:{subject}" if prompt is None else f"ids:{prompt.sha256}"
    recorded = prompt is None
    how = None if recorded else [params.temperature, params.top_p, params.max_tokens, params.seed]
    return content_id("completion/1", identity, asked, how)


async def sample(
    requests: Iterable[Request],
    engine: Engine,
    store: Store,
    *,
    model: str,
    stored: OnProgress = no_steps,
) -> AsyncIterator[Reply]:
    """Yield the *new* replies, completions among them kept before they are yielded.

    Requests are pulled as the engine serves them. What the store holds is not asked for again and not
    yielded: read it there. What several requests have in common is asked for once, and yielded for each.

    Args:
        requests: What is wanted.
        engine: Who is asked.
        store: Where completions are kept.
        model: Whose they are, for those who look after the store.
        stored: Told how many samples of each request were there already.

    Raises:
        EngineError: when the engine gives up.
        StoreError: when a completion cannot be kept.
    """
    in_flight: _InFlight = {}
    async for reply in engine.replies(_missing(requests, store, in_flight, stored)):
        if isinstance(reply.result, Completion):
            origin = _origin(model, engine.identity, reply.request)
            store.put_completions([(reply.request.key, reply.sample, reply.result)], origin)
        others = in_flight.pop((reply.request.key, reply.sample), ())
        yield reply
        for request in others:
            yield Reply(request, reply.sample, reply.result)


def _origin(model: str, identity: str, request: Request) -> Origin:
    """Where a request's completions come from; nothing was sampled for a recording."""
    return Origin(model, identity, json.dumps({} if request.prompt is None else asdict(request.params)))


def _missing(requests: Iterable[Request], store: Store, in_flight: _InFlight, stored: OnProgress) -> Iterator[Request]:
    """What is to be asked for; who wants what is in flight already is noted there."""
    for request in requests:
        present = store.samples(request.key)
        missing = [number for number in request.samples if number not in present]
        stored(len(request.samples) - len(missing))
        samples = []
        for number in missing:
            if (others := in_flight.get((request.key, number))) is not None:
                others.append(request)
            else:
                in_flight[request.key, number] = []
                samples.append(number)
        # A request's seed counts from its first sample: only contiguous runs may share one.
        for run in contiguous_runs(samples):
            yield replace(request, samples=run)
