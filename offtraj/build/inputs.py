"""The inputs of the protocol: usable questions, and the graded solo samples of all models that take part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from offtraj._util.progress import Progress, no_progress
from offtraj.engines.kinds import open_engine
from offtraj.grading.grader import Grader
from offtraj.model.completion import SamplingParams
from offtraj.model.model import Model, load_model
from offtraj.model.prompt import question_template
from offtraj.run.question import Question, Questions, load_questions
from offtraj.run.solo import Solo, sample_solo
from offtraj.spec import ModelSpec, Spec, SpecFile
from offtraj.store import Store
from offtraj_builders.definitions import definition
from offtraj_builders.inputs import BuildInputs
from offtraj_builders.scope import Scope

__all__ = ["SampledInputs", "participants", "sample_inputs"]


@dataclass(frozen=True)
class SampledInputs:
    """The inputs of the protocol, with the questions that were left out."""

    inputs: BuildInputs
    questions: Questions
    graded_by: str
    """Versions of the rule and the judge that graded the solo samples."""


async def sample_inputs(
    file: SpecFile,
    scope: Scope,
    *,
    store: Store,
    grader: Grader,
    limit: int | None = None,
    published: Callable[[Model, Sequence[Question]], Solo | None] = lambda _model, _questions: None,
    progress: Progress = no_progress,
) -> SampledInputs:
    """The questions, and the solo samples of every model whose trajectories a scope needs.

    Models that only steer are sampled on the questions that need them, as far as a test can tell which.

    Args:
        file: The spec and its place.
        scope: The tests and models to build.
        store: Holds completions and verdicts; what it lacks is sampled and graded.
        grader: Grades answers.
        limit: At most this many questions of each benchmark.
        published: Returns the solo samples of a model that need not be sampled; `None` for other models.
        progress: Opens a progress bar for each step.

    Raises:
        OfftrajError: as `load_questions`, `load_model`, `open_engine` and `sample_solo` do.
    """
    spec = file.spec
    needs = _needs(spec, scope)
    benchmarks = frozenset[str]().union(*needs.values())
    questions = await _verifiable(load_questions(file, limit=limit, only=benchmarks), grader, progress)
    template = question_template(spec.domain, spec.prompt)
    inputs = BuildInputs(spec, template, questions.kept, {}, grader)

    async def solo(declared: ModelSpec, asked: Sequence[Question]) -> Solo:
        model = load_model(file, declared)
        if (existing := published(model, asked)) is not None:
            return existing
        engine = await open_engine(
            spec.engines[declared.engine], model, file=file, declared=declared, progress=progress
        )
        sampling = spec.sampling
        try:
            return await sample_solo(
                model,
                asked,
                engine=engine,
                store=store,
                grader=grader,
                template=template,
                params=SamplingParams(sampling.temperature, sampling.top_p, sampling.max_tokens, spec.seed),
                samples=sampling.samples,
                on_progress=progress(f"solo {declared.id}", len(asked) * sampling.samples),
            )
        finally:
            await engine.close()

    solos: dict[str, Solo] = {}
    for declared in spec.participants:
        if declared.id in needs:
            asked = [question for question in questions.kept if question.benchmark in needs[declared.id]]
            solos[declared.id] = await solo(declared, asked)
    inputs = replace(inputs, solos=solos)
    wanted = _source_questions(inputs, scope)
    for source in wanted:
        if source.id not in solos:
            solos[source.id] = await solo(source, [q for q in questions.kept if q.id in wanted[source]])
    return SampledInputs(replace(inputs, solos=solos), questions, grader.version)


def participants(spec: Spec, scope: Scope) -> frozenset[str]:
    """Ids of the models and guides whose trajectories a scope needs."""
    sources = (source.id for sources in _sources(spec, scope).values() for source in sources)
    return frozenset(_needs(spec, scope)) | frozenset(sources)


def _sources(spec: Spec, scope: Scope) -> dict[str, tuple[ModelSpec, ...]]:
    """The models whose trajectories the rows of each test contain, in addition to the tested models' own."""
    declared = spec.tests.declared()
    return {name: definition(name).sources(spec, declared[name], scope.takes(spec, name)) for name in scope.tests}


def _needs(spec: Spec, scope: Scope) -> dict[str, frozenset[str]]:
    """The benchmarks on which each model is sampled whole, by its id."""
    needs: dict[str, frozenset[str]] = {}
    declared = spec.tests.declared()
    for name, sources in _sources(spec, scope).items():
        test, takers = declared[name], scope.takes(spec, name)
        if takers:
            sampled = spec.models_of(test) if "shared" in test.subsets else takers
            for model in (*sampled, *(sources if definition(name).source_questions is None else ())):
                needs[model.id] = needs.get(model.id, frozenset()) | spec.benchmarks_of(test)
    return needs


def _source_questions(inputs: BuildInputs, scope: Scope) -> dict[ModelSpec, frozenset[str]]:
    """Ids of the questions on which models that only steer are sampled."""
    spec = inputs.spec
    declared = spec.tests.declared()
    wanted: dict[ModelSpec, frozenset[str]] = {}
    for name, sources in _sources(spec, scope).items():
        test = definition(name)
        if sources and test.source_questions is not None:
            asked = test.source_questions(inputs, declared[name], scope.takes(spec, name))
            wanted |= {source: wanted.get(source, frozenset()) | asked for source in sources}
    return wanted


async def _verifiable(questions: Questions, grader: Grader, progress: Progress) -> Questions:
    """The questions without those whose gold answer the verifier does not find equal to itself."""
    on_progress = progress("gold answers", len(questions.kept))
    unverifiable: dict[str, str] = {}
    for part in _parts(questions.kept, 256):
        verdicts = await asyncio.gather(*(grader.verifies(question.reference) for question in part))
        for question, verifies in zip(part, verdicts, strict=True):
            if not verifies:
                unverifiable[question.id] = f"unverifiable_gold: {question.gold!r}"
        on_progress(len(part))
    return questions.without(unverifiable)


def _parts(items: Sequence[Question], size: int) -> Iterator[Sequence[Question]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
