"""Build: a spec becomes a data set folder, and a folder that is already current is reused.

Sampling is left to `inputs`, composing and writing to `assemble`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from offtraj._util.limit import check_limit
from offtraj._util.progress import Progress, no_progress
from offtraj.build.assemble import write_dataset
from offtraj.build.inputs import sample_inputs
from offtraj.dataset.folder import DataFolder, check_target, open_folder
from offtraj.dataset.manifest import MANIFEST, Manifest
from offtraj.dataset.published import published_models, published_solo
from offtraj.grading.domains import find_domain
from offtraj.grading.judge.judge import declared_judge
from offtraj.grading.opening import open_grader
from offtraj.model.model import Model, folder_revision
from offtraj.run.question import Question
from offtraj.run.solo import Solo
from offtraj.spec import SpecFile
from offtraj.store import Store
from offtraj_builders.scope import Scope, select
from offtraj_builders.steered_sets import steered_sets

__all__ = ["build_dataset", "built_dataset", "check_request", "default_folder"]


def default_folder(file: SpecFile) -> Path:
    """The folder of a spec's data set where no other is given: `data/NAME-VERSION`."""
    return Path("data") / f"{file.spec.name}-{file.spec.version}"


def check_request(
    file: SpecFile, out: Path, *, models: Sequence[str] = (), tests: Sequence[str] = (), limit: int | None = None
) -> Scope:
    """The tests and models that `build_dataset` with the same arguments builds; nothing is opened or written.

    Raises:
        UsageError: for a model or test that the spec does not declare, or a limit below 1.
        OutputError: when `out` holds something else.
    """
    check_limit(limit)
    scope = select(file.spec, models=models, tests=tests)
    check_target(out, file)
    return scope


async def build_dataset(
    file: SpecFile,
    out: Path,
    *,
    models: Sequence[str] = (),
    tests: Sequence[str] = (),
    limit: int | None = None,
    store: Store,
    trajectories: DataFolder | None = None,
    progress: Progress = no_progress,
) -> Manifest:
    """The manifest of the data set that was written to `out`.

    Solo samples and verdicts that the store holds are reused; the same inputs give the same bytes.

    Args:
        file: The spec.
        out: The folder. It appears, or is replaced, when it is complete.
        models: Ids of the models to build sets for; all by default.
        tests: Names of the tests to build; all by default.
        limit: At most this many questions of each benchmark.
        store: Holds completions and verdicts.
        trajectories: A data set whose published solo samples are used instead of sampling those models.
        progress: Opens a progress bar for each step.

    Raises:
        UsageError: for a model or test that the spec does not declare, or a limit below 1.
        OutputError: when `out` holds something else or cannot be written.
        BuildError: when no question qualifies for any set.
        OfftrajError: as `sample_inputs` does.
    """
    scope = check_request(file, out, models=models, tests=tests, limit=limit)
    resolved_judge = declared_judge(file)

    def published(model: Model, questions: Sequence[Question]) -> Solo | None:
        if trajectories is None or model.id not in published_models(trajectories):
            return None
        samples = file.spec.sampling.samples
        return published_solo(trajectories, model, questions, samples=samples, store=store)

    async with open_grader(find_domain(file.spec.domain), store=store, judge=resolved_judge) as grader:
        sampled = await sample_inputs(
            file, scope, store=store, grader=grader, limit=limit, published=published, progress=progress
        )
        if trajectories is not None and trajectories.manifest.verifier != sampled.graded_by:
            graded_by = f"{sampled.graded_by}, of published trajectories {trajectories.manifest.verifier}"
            sampled = replace(sampled, graded_by=graded_by)
        sets = steered_sets(sampled.inputs, scope)
        return await write_dataset(out, file, sampled, sets, limit=limit, progress=progress)


async def built_dataset(
    file: SpecFile,
    *,
    store: Store,
    model: str | None = None,
    limit: int | None = None,
    progress: Progress = no_progress,
) -> DataFolder:
    """The data set of a spec in its default folder; built first unless that folder is current.

    Args:
        file: The spec. Its relative paths are resolved from its own place, not from the copy in the data set.
        store: Holds completions and verdicts.
        model: The model whose sets are required; all models of the spec by default.
        limit: At most this many questions of each benchmark.
        progress: Opens a progress bar for each step.

    Raises:
        OfftrajError: as `build_dataset` does.
    """
    out = default_folder(file)
    models = [declared.id for declared in file.spec.models] if model is None else [model]
    if (out / MANIFEST).is_file():
        existing = open_folder(str(out))
        if _is_current(existing.manifest, file, limit) and all(map(existing.has, models)):
            return replace(existing, spec=file)
    await build_dataset(file, out, limit=limit, store=store, progress=progress)
    return replace(open_folder(str(out)), spec=file)


def _is_current(manifest: Manifest, file: SpecFile, limit: int | None) -> bool:
    """Whether building the spec today would give this data set; local model folders are compared by content."""
    return (
        manifest.spec_sha256 == file.digest
        and manifest.limit == limit
        and all(
            folder_revision(file, model) in (None, manifest.models[model.id].revision)
            for model in file.spec.participants
            if model.id in manifest.models
        )
    )
