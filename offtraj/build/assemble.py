"""A data set folder from sampled inputs: steered sets, trajectories, questions, manifest and card."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from offtraj._util.progress import Progress, no_progress
from offtraj.build.inputs import SampledInputs
from offtraj.dataset.folder import Config, Description, write_folder
from offtraj.dataset.manifest import Count, DroppedQuestion, FileEntry, Manifest, ModelEntry
from offtraj.dataset.tables import questions_config, trajectories_config
from offtraj.errors import BuildError
from offtraj.hub.card import render_card
from offtraj.hub.registration import render_registration
from offtraj.run.row import SteeredRow, row_schema, rows_to_batch
from offtraj.run.solo import Solo
from offtraj.spec import SpecFile
from offtraj_builders.definitions import test_names
from offtraj_builders.steered_sets import SteeredSet

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["counts_of", "model_entry", "shared_questions", "steered_config", "write_dataset"]

_BATCH = 128  # rows that are made into one Arrow batch
_PACKAGES = ("math-verify", "pyarrow", "tokenizers")  # on whose versions the bytes depend


async def write_dataset(
    out: Path,
    file: SpecFile,
    sampled_inputs: SampledInputs,
    sets: Sequence[SteeredSet],
    *,
    limit: int | None = None,
    progress: Progress = no_progress,
) -> Manifest:
    """The manifest of the written data set: steered sets, trajectories, questions, manifest, spec and card.

    Args:
        out: The folder. It appears, or is replaced, when it is complete.
        file: The spec.
        sampled_inputs: The inputs that the sets were made from.
        sets: The sets; their rows are composed while they are written.
        limit: At most this many questions of each benchmark were used; for the manifest.
        progress: Opens a progress bar.

    Raises:
        BuildError: when no question qualified for any set.
        OutputError: as `write_folder` does.
    """
    inputs = sampled_inputs.inputs
    benchmarks = {question.id: question.benchmark for question in inputs.questions}
    configs = [steered_config(one) for one in sets]
    configs += [trajectories_config(solo, benchmarks) for solo in inputs.solos.values()]
    configs.append(questions_config(inputs.questions, inputs.solos, shared_questions(sets)))
    on_progress = progress("writing", len(configs))

    def describe(folder: Path, files: tuple[FileEntry, ...]) -> Description:
        steered = {one.config for one in sets}
        if not any(entry.config in steered for entry in files):
            raise BuildError(_nothing(sets))
        manifest = Manifest(
            name=file.spec.name,
            version=file.spec.version,
            domain=file.spec.domain,
            seed=file.spec.seed,
            spec_sha256=file.digest,
            limit=limit,
            made_with={"offtraj": version("offtraj"), **{name: version(name) for name in _PACKAGES}},
            verifier=sampled_inputs.graded_by,
            benchmarks=dict(Counter(question.benchmark for question in inputs.questions)),
            dropped_questions=tuple(
                DroppedQuestion(benchmark=dropped.benchmark, id=dropped.id, reason=dropped.reason)
                for dropped in sampled_inputs.questions.dropped
            ),
            models={name: model_entry(solo) for name, solo in inputs.solos.items()},
            counts=tuple(counts_of(sets)),
            files=files,
        )
        return Description(manifest, render_card(file, manifest, folder), render_registration(file.spec, manifest))

    return await write_folder(out, file, configs, describe, written=on_progress)


def shared_questions(sets: Sequence[SteeredSet]) -> dict[str, list[str]]:
    """The names of the tests whose shared subset contains a question, by the question's id."""
    shared: dict[str, list[str]] = {}
    for test in test_names():
        for question_id in frozenset().union(*(one.shared for one in sets if one.test == test)):
            shared.setdefault(question_id, []).append(test)
    return shared


def steered_config(one: SteeredSet) -> Config:
    """A steered set as a configuration, whose rows are composed while it is written."""
    schema = row_schema()

    async def batches() -> AsyncIterator[pa.RecordBatch]:
        rows: list[SteeredRow] = []
        async for row in one.rows():
            rows.append(row)
            if len(rows) == _BATCH:
                yield rows_to_batch(rows, schema)
                rows = []
        if rows:
            yield rows_to_batch(rows, schema)

    return Config(one.config, "test", schema, batches())


def model_entry(solo: Solo) -> ModelEntry:
    """The manifest's entry of a model or guide."""
    rates = Counter(solo.rate(question_id) for question_id in solo.samples)
    verdicts = Counter(f"{s.verdict.name}: {s.verdict.reason.partition(':')[0]}" for s in solo)
    return ModelEntry(
        revision=solo.model.revision or solo.identity,
        lengths=solo.model.tokens.unit,
        questions=len(solo.samples),
        samples=sum(map(len, solo.samples.values())),
        solve_rates={f"{rate.solved}/{rate.sampled}": count for rate, count in sorted(rates.items())},
        verdicts=dict(sorted(verdicts.items())),
    )


def counts_of(sets: Sequence[SteeredSet]) -> Iterator[Count]:
    """What the selections of the sets kept and dropped; complete for rows once they have been read."""
    for one in sets:
        for counts in one.selection_counts:
            yield Count(
                test=counts.test,
                model=counts.model,
                variant=counts.variant,
                subset=counts.subset,
                of=counts.of,
                kept=counts.kept,
                dropped=dict(sorted(counts.dropped.items())),
            )


def _nothing(sets: Sequence[SteeredSet]) -> str:
    lines = ["nothing qualifies for any set:"]
    for one in sets:
        for counts in one.selection_counts:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(counts.dropped.items())) or "none"
            lines.append(
                f"  {one.config}: {counts.subset or 'all'} {counts.of}: {counts.kept} kept; dropped: {reasons}"
            )
    return "\n".join(lines)
