"""Examining one model of a spec with one engine, from its files to what it writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from offtraj._util.progress import Progress, no_progress
from offtraj.doctor.finding import Diagnosis, Finding
from offtraj.doctor.local import examine_local
from offtraj.doctor.model_files import ModelFiles
from offtraj.doctor.prefill import examine_prefill
from offtraj.doctor.recording import examine_recording
from offtraj.doctor.served import examine_served
from offtraj.doctor.template import examine_template, found_delimiters
from offtraj.engines.choice import choose_engine
from offtraj.engines.openai.endpoint import open_endpoint
from offtraj.engines.vllm.server import open_server
from offtraj.errors import EngineError, UsageError
from offtraj.model.model import Model, load_model, stated_delimiters
from offtraj.model.trajectory import NONE
from offtraj.spec import EngineSpec, ModelSpec, OpenAISpec, RecordedSpec, SpecFile, TransformersSpec, VllmSpec

__all__ = ["examine"]


async def examine(
    file: SpecFile, model: str, engine: str | None = None, *, progress: Progress = no_progress
) -> Diagnosis:
    """Find out whether runs of a model would be exact, and why not.

    Args:
        file: The spec.
        model: Id of one of its models or guides.
        engine: A name of the spec, `transformers`, or an endpoint's URL; the model's own by default.
        progress: Is told of progress.

    Raises:
        UsageError: for a model or an engine that the spec does not know, or a recorded model with another engine.
        EngineError: for a model that cannot be found, or without a usable tokenizer or chat template.
    """
    declared = file.spec.participant(model)
    if declared is None:
        known = ", ".join(one.id for one in file.spec.participants)
        raise UsageError(f"--model {model!r}: {file.path} has no such model or guide, but {known}")
    name = engine or declared.engine
    spec = choose_engine(file.spec, name)
    if isinstance(spec, RecordedSpec):
        if declared.recorded_as is None:
            raise UsageError(f"--engine {name!r}: is a recording, in which {model!r} has no name (`recorded_as`)")
        return Diagnosis(model, name, (examine_recording(file, declared, spec, name),))
    if declared.path is None:
        raise UsageError(f"--engine {name!r}: {model!r} has no weights (`path`) that it could run: give a folder")
    return Diagnosis(model, name, tuple([one async for one in _findings(file, declared, spec, progress)]))


async def _findings(
    file: SpecFile, declared: ModelSpec, spec: EngineSpec, progress: Progress
) -> AsyncIterator[Finding]:
    stated = stated_delimiters(declared)
    model = load_model(file, declared, delimiters=stated or NONE, sampled=True)
    chat = model.format
    assert chat is not None
    mode = spec.prompts if isinstance(spec, OpenAISpec) else "ids"
    chat.delimiters = stated or found_delimiters(chat) or NONE
    model = replace(model, delimiters=chat.delimiters)
    files = ModelFiles(model)
    for finding in examine_template(chat, stated, mode=mode):
        yield finding
        if finding.ends:
            return
    yield examine_prefill(chat, needed=mode == "chat", forces=_forces(file))
    ours = not isinstance(spec, OpenAISpec)
    for finding in files.examine(file.spec.sampling.max_tokens, ours=ours):
        yield finding
    async for finding in _engine_findings(file, model, files, spec, progress):
        yield finding


async def _engine_findings(
    file: SpecFile, model: Model, files: ModelFiles, spec: EngineSpec, progress: Progress
) -> AsyncIterator[Finding]:
    sampling = file.spec.sampling
    match spec:
        case TransformersSpec():
            async for finding in examine_local(model, spec, sampling):
                yield finding
        case OpenAISpec():
            endpoint = open_endpoint(spec, file.expand(spec.base_url, "engines"))
            try:
                async for finding in examine_served(
                    endpoint, model, files, sampling, spec.prompts, forces=_forces(file)
                ):
                    yield finding
            finally:
                await endpoint.close()
        case VllmSpec():
            server, endpoint = open_server(spec, model, file, progress)
            try:
                await server.start()
                async for finding in examine_served(endpoint, model, files, sampling, "ids", forces=_forces(file)):
                    yield finding
            except EngineError as error:
                yield Finding("server", "unsupported", str(error))
            finally:
                await endpoint.close()
                await server.close()


def _forces(file: SpecFile) -> bool:
    """Whether some prefixes of a spec end the thinking."""
    guidability = file.spec.tests.guidability
    return guidability is not None and "answer-forcing" in guidability.variants
