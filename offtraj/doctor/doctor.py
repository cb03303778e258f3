"""The examination of one model of a spec on one engine: files, template, engine, completions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from offtraj._util.progress import Progress, no_progress
from offtraj.doctor.finding import Diagnosis, Finding
from offtraj.doctor.kinds import Examined, examine_engine, forces_answers
from offtraj.doctor.model_files import ModelFiles
from offtraj.doctor.prefill import examine_prefill
from offtraj.doctor.recording import examine_recording
from offtraj.doctor.template import examine_template, found_delimiters
from offtraj.engines.choice import choose_engine
from offtraj.engines.engine import Opening
from offtraj.errors import UsageError
from offtraj.model.model import load_model, stated_delimiters
from offtraj.model.trajectory import NONE
from offtraj.spec import EngineSpec, ModelSpec, OpenAISpec, RecordedSpec, SpecFile

__all__ = ["examine"]


async def examine(
    file: SpecFile, model: str, engine: str | None = None, *, progress: Progress = no_progress
) -> Diagnosis:
    """Whether runs of a model would be exact, and why not.

    Args:
        file: The spec.
        model: The id of one of its models or guides.
        engine: A name of the spec, `transformers`, or an endpoint's URL; the model's own by default.
        progress: Shows progress.

    Raises:
        UsageError: for an unknown model or engine, or a recorded model without weights on another engine.
        EngineError: for a model that cannot be found, or has no usable tokenizer or chat template.
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
    yield examine_prefill(chat, needed=mode == "chat", forces=forces_answers(file))
    ours = not isinstance(spec, OpenAISpec)
    for finding in files.examine(file.spec.sampling.max_tokens, ours=ours):
        yield finding
    async for finding in examine_engine(spec, Examined(file, Opening(model, file, declared, progress), files)):
        yield finding
