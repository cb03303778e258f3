"""Checking a data set: its files against its manifest, and its rows against rows rebuilt from its own trajectories.

Every steered set is rebuilt from the trajectories, questions and spec that the data set contains. The texts that
models wrote, and a judge's verdicts on them, are taken as given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from offtraj._util.parquet import read_parquet
from offtraj._util.progress import Progress, no_progress
from offtraj.build.assemble import counts_of, model_entry, shared_questions
from offtraj.build.inputs import SampledInputs, participants
from offtraj.check.files import check_card, check_files, check_registration
from offtraj.check.result import Checked
from offtraj.check.rows import compare_rows, sound_rows
from offtraj.check.verdicts import check_verdicts
from offtraj.dataset.configs import QUESTIONS, trajectories_config_name
from offtraj.dataset.folder import DataFolder
from offtraj.dataset.manifest import MANIFEST
from offtraj.dataset.published import published_models, published_solo
from offtraj.dataset.tables import questions_config, read_questions
from offtraj.errors import BuildError, DataError, EngineError, SpecError, first_line
from offtraj.grading.domains import find_domain
from offtraj.grading.grader import Grader, Revealer
from offtraj.model.model import load_model
from offtraj.model.prompt import question_template
from offtraj.run.question import Question, Questions
from offtraj.run.row import read_rows
from offtraj.run.solo import Solo
from offtraj.spec import Spec, SpecFile
from offtraj.store import Store
from offtraj_builders.inputs import BuildInputs
from offtraj_builders.scope import Scope
from offtraj_builders.steered_sets import SteeredSet, steered_sets

__all__ = ["check"]

_BATCH = 1024  # questions that are read at once


async def check(
    data: DataFolder, *, spec: SpecFile, store: Store, grader: Grader, progress: Progress = no_progress
) -> Checked:
    """The problems of a data set, and what could not be checked.

    Args:
        data: A folder or repository; all of it is read.
        spec: Its spec, at a place from which its relative paths can be resolved.
        store: Holds texts during the check.
        grader: Grades again what the rule decided, and decides whether a steer reveals the answer; without a judge.
        progress: Opens a progress bar for each step.

    Raises:
        DataError: when the data set is too incomplete to check.
        HubError: when it cannot be fetched.
    """
    checked = Checked()
    data.fetch()
    check_files(data, checked)
    if spec.digest != data.manifest.spec_sha256:
        checked.say(str(spec.path), f"is not the spec that {MANIFEST} was made with")
    check_card(data, checked)
    check_registration(data, checked)
    questions = read_questions(data.files(QUESTIONS), find_domain(spec.spec.domain))
    solos = _solos(data, spec, tuple(questions.values()), store, checked)
    await check_verdicts(data.manifest, solos, questions, grader, checked, progress)
    rebuilt = _rebuild(data, spec.spec, questions, solos, grader, checked)

    @lru_cache(maxsize=64)
    def thinking(model: str, question_id: str, number: int) -> str | None:
        """A published trajectory's thinking; `None` where its model is not loaded, empty where it does not exist."""
        if model not in solos:
            return None if model in checked.not_loaded else ""
        samples = solos[model].samples.get(question_id, ())
        return next((solos[model].trajectory(one).thinking for one in samples if one.number == number), "")

    configs = sorted(map(str, data.sets))
    for config in configs:
        done = progress(config, sum(entry.rows for entry in data.manifest.files if entry.config == config))
        try:
            rows = sound_rows(config, read_rows(data.files(config)), questions, thinking, checked)
            if config in rebuilt:
                await compare_rows(config, rebuilt[config], rows, checked, done)
            else:
                done(sum(1 for _ in rows))
        except DataError as error:
            checked.say(config, str(error))
    _check_manifest(data, rebuilt.values(), solos, checked)
    if len(rebuilt) == len(configs) and set(solos) == published_models(data):
        await _check_questions(data, questions, solos, list(rebuilt.values()), checked)
    return checked


def _solos(
    data: DataFolder, file: SpecFile, questions: Sequence[Question], store: Store, checked: Checked
) -> dict[str, Solo]:
    """The published solo samples of each model whose tokenizer can be loaded here."""
    solos: dict[str, Solo] = {}
    published = published_models(data)
    for declared in file.spec.participants:
        if declared.id not in published:
            continue
        try:
            model = load_model(file, declared)
        except (SpecError, EngineError) as error:
            checked.not_loaded[declared.id] = first_line(error)
            continue
        try:
            samples = file.spec.sampling.samples
            solos[declared.id] = published_solo(data, model, questions, samples=samples, store=store)
        except DataError as error:
            checked.say(trajectories_config_name(declared.id), str(error))
            checked.not_loaded[declared.id] = "its trajectories are not in order"
    return solos


def _rebuild(
    data: DataFolder,
    spec: Spec,
    questions: Mapping[str, Question],
    solos: Mapping[str, Solo],
    revealer: Revealer,
    checked: Checked,
) -> dict[str, SteeredSet]:
    """The steered sets that can be rebuilt, by configuration; their rows are composed when they are read."""
    kept = tuple(questions.values())
    inputs = BuildInputs(spec, question_template(spec.domain, spec.prompt), kept, solos, revealer)
    sampled_inputs = SampledInputs(inputs, Questions(kept, ()), data.manifest.verifier)
    rebuilt = {}
    for name in sorted(data.sets, key=str):
        config = str(name)
        scope = Scope((name.test.name,), frozenset({name.model}))
        if not scope.takes(spec, name.test.name):
            checked.say(config, "is not declared by the spec: its test or its model is not in it")
            continue
        lacking = sorted(participants(spec, scope) - set(solos))
        if lacking:
            checked.not_made[config] = lacking
            for lacked in lacking:
                checked.not_loaded.setdefault(lacked, "none of its trajectories are published")
            continue
        try:
            (rebuilt[config],) = steered_sets(sampled_inputs.inputs, scope)
        except BuildError as error:
            checked.say(config, f"cannot be made from these trajectories: {error}")
    return rebuilt


def _check_manifest(data: DataFolder, sets: Iterable[SteeredSet], solos: Mapping[str, Solo], checked: Checked) -> None:
    path = str(data.path / MANIFEST)
    for name, solo in solos.items():
        if data.manifest.models.get(name) != model_entry(solo):
            checked.say(path, f"says other things of {name} than its trajectories do")
    for one in sets:
        said = [count for count in data.manifest.counts if (count.test, count.model) == (one.test, one.model)]
        if said != list(counts_of([one])):
            checked.say(path, f"counts otherwise what was kept and dropped for {one.config}")


async def _check_questions(
    data: DataFolder,
    questions: Mapping[str, Question],
    solos: Mapping[str, Solo],
    sets: Sequence[SteeredSet],
    checked: Checked,
) -> None:
    """The questions table has the solve rates and shared subsets that follow from the trajectories."""
    files = (read_parquet(path, "a table of questions", rows=_BATCH) for path in data.files(QUESTIONS))
    rows = [row for file in files for batch in file for row in batch]
    config = questions_config(list(questions.values()), solos, shared_questions(sets))
    made = [row async for batch in config.batches for row in batch.to_pylist()]
    for row, expected in zip(rows, made, strict=True):
        differ = [name for name in expected if row.get(name) != expected[name]]
        if differ:
            checked.say(
                f"questions row {row['id']!r}", f"{', '.join(differ)}: not what the trajectories say", "questions"
            )
