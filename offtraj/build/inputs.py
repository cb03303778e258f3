"""Everything that the protocol needs: usable questions, and the solo samples of whoever takes part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from offtraj._util.progress import Progress, no_progress
from offtraj.engines.engine import open_engine
from offtraj.grading.grader import Grader
from offtraj.model.completion import SamplingParams
from offtraj.model.model import Model, load_model
from offtraj.model.prompt import question_template
from offtraj.run.question import Question, Questions, load_questions
from offtraj.run.solo import Solo, sample_solo
from offtraj.spec import ModelSpec, Spec, SpecFile
from offtraj.store import Store
from offtraj_builders.guidability import wanted_questions
from offtraj_builders.inputs import BuildInputs
from offtraj_builders.scope import Scope

__all__ = ["SampledInputs", "participants", "sample_inputs"]


@dataclass(frozen=True)
class SampledInputs:
    """The protocol's inputs, and the questions that were left out."""

    inputs: BuildInputs
    questions: Questions
    graded_by: str
    """Version of the rule, and the judge, by which the solo samples were graded."""


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
    """Read the questions, and sample and grade everyone whose trajectories are needed.

    Guides are sampled only on questions on which somebody is to be guided.

    Args:
        file: The spec and where it stands.
        scope: What is to be built.
        store: Where completions and verdicts are kept.
        grader: Grades answers.
        limit: At most so many questions of each benchmark.
        published: Returns the solo samples of a model that need not be sampled; `None` for other models.
        progress: Is told of progress.

    Raises:
        OfftrajError: as the parts do: `load_questions`, `load_model`, `open_engine`, `sample_solo`.
    """
    spec = file.spec
    needs = _needs(spec, scope)
    benchmarks = frozenset().union(*needs.values()) | _guided_benchmarks(spec, scope)
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
    if guided := scope.takes(spec, "guidability"):
        assert spec.tests.guidability is not None
        inputs = replace(inputs, solos=solos)
        wanted = wanted_questions(inputs, spec.tests.guidability, [declared.id for declared in guided])
        for guide in spec.guides_of(spec.tests.guidability):
            if guide.id not in solos:
                solos[guide.id] = await solo(guide, [q for q in questions.kept if q.id in wanted])
    return SampledInputs(replace(inputs, solos=solos), questions, grader.version)


def participants(spec: Spec, scope: Scope) -> frozenset[str]:
    """Ids of the models and guides whose trajectories a scope needs."""
    guidability = spec.tests.guidability
    guided = guidability is not None and scope.takes(spec, "guidability")
    guides = spec.guides_of(guidability) if guidability is not None and guided else ()
    return frozenset(_needs(spec, scope)) | {guide.id for guide in guides}


def _needs(spec: Spec, scope: Scope) -> dict[str, frozenset[str]]:
    """The benchmarks on which each model has to be sampled."""
    needs: dict[str, frozenset[str]] = {}

    def need(models: Iterable[ModelSpec], benchmarks: frozenset[str]) -> None:
        for model in models:
            needs[model.id] = needs.get(model.id, frozenset()) | benchmarks

    for name in scope.tests:
        test = getattr(spec.tests, name)
        takers = scope.takes(spec, name)
        if takers:
            need(spec.models_of(test) if "shared" in test.subsets else takers, spec.benchmarks_of(test))
    recoverability = spec.tests.recoverability
    if recoverability is not None and "cross-model" in recoverability.variants:
        for taker in scope.takes(spec, "recoverability"):
            need(spec.distractors_of(recoverability, taker.id), spec.benchmarks_of(recoverability))
    return needs


def _guided_benchmarks(spec: Spec, scope: Scope) -> frozenset[str]:
    guidability = spec.tests.guidability
    if guidability is None or not scope.takes(spec, "guidability"):
        return frozenset()
    return spec.benchmarks_of(guidability)


async def _verifiable(questions: Questions, grader: Grader, progress: Progress) -> Questions:
    """Leave out questions whose gold answer our own verifier cannot verify against itself."""
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
