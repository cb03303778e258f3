"""The seam between requests and completions, and the choice of what stands behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Protocol

from offtraj._util.progress import Progress, no_progress
from offtraj.model.completion import PromptMode, Reply, Request
from offtraj.model.model import Model
from offtraj.spec import EngineSpec, ModelSpec, OpenAISpec, RecordedSpec, SpecFile, TransformersSpec, VllmSpec

__all__ = ["Engine", "open_engine"]


class Engine(Protocol):
    """Turns requests into replies, in whatever order and however many at a time suits it.

    It pulls requests only as fast as it can serve them, so that a million of them need no memory; it
    retries what may succeed, and replies with a `Failure` to what does not. It never strips text.
    """

    @property
    def identity(self) -> str:
        """What its completions are kept under: changes with the weights, or with the recording."""

    @property
    def exactness(self) -> PromptMode:
        """How prompts reach the model."""

    def facts(self) -> Mapping[str, Any]:
        """What a run's record says of it, beside kind and identity; no secrets."""

    def replies(self, requests: Iterable[Request]) -> AsyncIterator[Reply]:
        """A reply for each sample of each request.

        Raises:
            EngineError: when going on makes no sense: the server is gone, or saw another prompt than we sent.
        """

    async def close(self) -> None:
        """Let go of what it holds. It cannot be used afterwards."""


async def open_engine(
    spec: EngineSpec,
    model: Model,
    *,
    file: SpecFile | None = None,
    declared: ModelSpec | None = None,
    progress: Progress = no_progress,
) -> Engine:
    """Open what the spec describes for one model.

    Args:
        spec: The engine's declaration.
        model: The model that it runs.
        file: Where the declaration stands, for paths and variables; none for one given by hand.
        declared: The model's declaration; needed for recordings.
        progress: Is told what is waited for.

    Raises:
        SpecError: for a missing file or variable.
        EngineError: for a model that cannot be loaded, or a server that is to be
            asked how it takes prompts and does not say.
    """
    match spec:
        case RecordedSpec():
            from offtraj.engines.recorded import RecordedEngine

            assert file is not None and declared is not None and declared.recorded_as is not None
            paths = [file.file(path, "engines", declared.engine, "files", i) for i, path in enumerate(spec.files)]
            return RecordedEngine(paths, spec.columns, declared.recorded_as)
        case TransformersSpec():
            from offtraj.engines.transformers import LocalEngine

            return LocalEngine(model, batch=spec.batch, dtype=spec.dtype, device=spec.device)
        case OpenAISpec():
            from offtraj.engines.openai.endpoint import open_endpoint
            from offtraj.engines.openai.engine import OpenAIEngine

            endpoint = open_endpoint(spec, spec.base_url if file is None else file.expand(spec.base_url, "engines"))
            if spec.prompts != "auto":
                return OpenAIEngine(model, endpoint, mode=spec.prompts)
            try:
                return await OpenAIEngine.probed(model, endpoint)
            except BaseException:
                await endpoint.close()
                raise
        case VllmSpec():
            from offtraj.engines.openai.engine import OpenAIEngine
            from offtraj.engines.vllm.server import open_server

            server, endpoint = open_server(spec, model, file, progress)
            return OpenAIEngine(model, endpoint, start=server.start, stop=server.close)
