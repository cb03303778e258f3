"""What the doctor asks of each kind of engine: one entry for each of `offtraj.engines.kinds`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from offtraj.doctor.finding import Finding
from offtraj.doctor.local import examine_local
from offtraj.doctor.model_files import ModelFiles
from offtraj.doctor.served import examine_served
from offtraj.engines.engine import Opening
from offtraj.engines.openai.endpoint import open_endpoint
from offtraj.engines.vllm.server import open_server
from offtraj.errors import EngineError
from offtraj.spec import EngineSpec, OpenAISpec, SpecFile, TransformersSpec, VllmSpec
from offtraj_builders.definitions import closes_thinking

__all__ = ["PROBES", "Examined", "Probes", "examine_engine", "forces_answers"]


@dataclass(frozen=True)
class Examined:
    """A model of a spec, on an engine."""

    file: SpecFile
    opening: Opening
    files: ModelFiles


@dataclass(frozen=True)
class Probes:
    """The questions for one kind of engine that samples."""

    spec: type[EngineSpec]
    """The kind's declaration."""
    examine: Callable[[Any, Examined], AsyncIterator[Finding]]
    """The findings."""


async def examine_engine(spec: EngineSpec, examined: Examined) -> AsyncIterator[Finding]:
    """Findings of an engine. For a kind without questions, the finding is that there are none."""
    probes = next((one for one in PROBES if isinstance(spec, one.spec)), None)
    if probes is None:
        what = (
            f"the doctor has no questions for an engine of kind {spec.kind!r}: nothing shows what it does to a prompt"
        )
        yield Finding("engine", "unsupported", what, "add its questions to offtraj/doctor/kinds.py")
        return
    async for finding in probes.examine(spec, examined):
        yield finding


def forces_answers(file: SpecFile) -> bool:
    """Whether some prefixes of a spec end the thinking."""
    declared = file.spec.tests.declared()
    return any(closes_thinking(name, variant) for name, test in declared.items() for variant in test.variants)


async def _transformers(spec: TransformersSpec, examined: Examined) -> AsyncIterator[Finding]:
    async for finding in examine_local(examined.opening.model, spec, examined.file.spec.sampling):
        yield finding


async def _openai(spec: OpenAISpec, examined: Examined) -> AsyncIterator[Finding]:
    file = examined.file
    endpoint = open_endpoint(spec, file.expand(spec.base_url, "engines"))
    try:
        async for finding in examine_served(
            endpoint,
            examined.opening.model,
            examined.files,
            file.spec.sampling,
            spec.prompts,
            forces=forces_answers(file),
        ):
            yield finding
    finally:
        await endpoint.close()


async def _vllm(spec: VllmSpec, examined: Examined) -> AsyncIterator[Finding]:
    file, model = examined.file, examined.opening.model
    server, endpoint = open_server(spec, model, file, examined.opening.progress)
    try:
        await server.start()
        async for finding in examine_served(
            endpoint, model, examined.files, file.spec.sampling, "ids", forces=forces_answers(file)
        ):
            yield finding
    except EngineError as error:
        yield Finding("server", "unsupported", str(error))
    finally:
        await endpoint.close()
        await server.close()


PROBES = (Probes(TransformersSpec, _transformers), Probes(OpenAISpec, _openai), Probes(VllmSpec, _vllm))
"""Questions by kind. A recording cannot be asked anything: `examine` reads it instead."""
