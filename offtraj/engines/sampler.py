"""Sampling through the store: an engine is asked for missing completions only, and each is stored on arrival."""

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
"""Samples in flight, by key and sample number, with further requests for the same sample."""


def request_key(identity: str, subject: str, prompt: Prompt | None, params: SamplingParams) -> str:
    """The key of a request's completions in the store: a hash of model, prompt ids and sampling parameters.

    For a recording, which has no prompt, the subject takes the prompt's place. Positions, report options and
    everything else that does not reach the model have no effect on it.
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
    """The *new* replies. Completions are stored before they are yielded.

    Requests are pulled as the engine serves them. Samples that the store has are neither requested nor yielded: read
    them there. A sample that several requests share is requested once, and yielded for each.

    Args:
        requests: The samples that are needed.
        engine: The engine.
        store: The store of completions.
        model: The model's id, kept with the completions.
        stored: Called with the number of samples of each request that the store had already.

    Raises:
        EngineError: when the engine cannot go on.
        StoreError: when a completion cannot be stored.
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
    """The origin of a request's completions; without sampling parameters for a recording."""
    return Origin(model, identity, json.dumps({} if request.prompt is None else asdict(request.params)))


def _missing(requests: Iterable[Request], store: Store, in_flight: _InFlight, stored: OnProgress) -> Iterator[Request]:
    """Requests for the missing samples. A request for a sample in flight is added to `in_flight` instead."""
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
