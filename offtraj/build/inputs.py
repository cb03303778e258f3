"""Everything that the protocol needs: usable questions, and the solo samples of whoever takes part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from offtraj.model.completion import SamplingParams
from offtraj.errors import UsageError
from offtraj._util.progress import Stage, quiet
from offtraj.model.prompt import question_template
from offtraj.run.question import Question, Questions, load_questions
from offtraj.model.model import Reasoner, load_reasoner
from offtraj.engines.engine import open_engine
from offtraj.run.solo import Solo, sample_solo
from offtraj.spec import ModelSpec, Spec, SpecFile, TestName
from offtraj.store import Store
from offtraj.grading.grader import Grader
from offtraj_builders.guidability import wanted_questions
from offtraj_builders.inputs import Material

__all__ = ["Gathered", "Selection", "gather", "select", "takes_part"]


@dataclass(frozen=True)
class Selection:
    """Which tests of which models are to be built."""

    tests: tuple[TestName, ...]
    models: frozenset[str]

    def takes(self, spec: Spec, test: TestName) -> tuple[ModelSpec, ...]:
        """The selected models that take a test."""
        declared = getattr(spec.tests, test)
        if declared is None or test not in self.tests:
            return ()
        return tuple(model for model in spec.models_of(declared) if model.id in self.models)


@dataclass(frozen=True)
class Gathered:
    """The protocol's inputs, and the questions that were left out."""

    material: Material
    questions: Questions
    graded_by: str
    """Version of the rule, and the judge, by which the solo samples were graded."""


def select(spec: Spec, *, models: Collection[str] = (), tests: Collection[str] = ()) -> Selection:
    """All of a spec, or the named models and tests.

    Raises:
        UsageError: for a name that the spec does not know, or a choice of which nothing is left.
    """
    known_tests: list[TestName] = [t for t in ("recoverability", "guidability") if getattr(spec.tests, t) is not None]
    known_models = [model.id for model in spec.models]
    for what, names, known in (("model", models, known_models), ("test", tests, known_tests)):
        for name in names:
            if name not in known:
                raise UsageError(f"--{what} {name!r}: the spec has no such {what}: {', '.join(known)}")
    chosen = Selection(
        tests=tuple(test for test in known_tests if not tests or test in tests),
        models=frozenset(models or known_models),
    )
    if not any(chosen.takes(spec, test) for test in chosen.tests):
        raise UsageError(f"--model {', '.join(models)}: takes none of the tests {', '.join(chosen.tests)}")
    return chosen


async def gather(
    file: SpecFile,
    selection: Selection,
    *,
    store: Store,
    grader: Grader,
    limit: int | None = None,
    taken: Callable[[Reasoner, Sequence[Question]], Solo | None] = lambda _reasoner, _questions: None,
    stage: Stage = quiet,
) -> Gathered:
    """Read the questions, and sample and grade everyone whose trajectories are needed.

    Guides are sampled only on questions on which somebody is to be guided.

    Args:
        file: The spec and where it stands.
        selection: What is to be built.
        store: Where completions and verdicts are kept.
        grader: Grades answers.
        limit: At most so many questions of each benchmark.
        taken: Gives the samples of whoever need not be sampled; `None` for everyone else.
        stage: Is told of progress.

    Raises:
        OfftrajError: as the parts do: `load_questions`, `load_reasoner`, `open_engine`, `sample_solo`.
    """
    spec = file.spec
    if spec.domain != "math":
        raise UsageError(f"{file.place('domain')}: this version cannot verify the domain {spec.domain!r} yet")
    needs = _needs(spec, selection)
    benchmarks = frozenset().union(*needs.values()) | _guided_benchmarks(spec, selection)
    questions = await _verifiable(load_questions(file, limit=limit, only=benchmarks), grader, stage)
    template = question_template(spec.domain, spec.prompt)
    material = Material(spec, template, questions.kept, {}, grader.verifier)

    async def solo(model: ModelSpec, asked: Sequence[Question]) -> Solo:
        reasoner = load_reasoner(file, model)
        if (there := taken(reasoner, asked)) is not None:
            return there
        engine = await open_engine(spec.engines[model.engine], reasoner, file=file, model=model, stage=stage)
        sampling = spec.sampling
        try:
            return await sample_solo(
                reasoner,
                asked,
                engine=engine,
                store=store,
                grader=grader,
                template=template,
                params=SamplingParams(sampling.temperature, sampling.top_p, sampling.max_tokens, spec.seed),
                samples=sampling.samples,
                advance=stage(f"solo {model.id}", len(asked) * sampling.samples),
            )
        finally:
            await engine.close()

    solos: dict[str, Solo] = {}
    for model in spec.reasoners:
        if model.id in needs:
            asked = [question for question in questions.kept if question.benchmark in needs[model.id]]
            solos[model.id] = await solo(model, asked)
    if guided := selection.takes(spec, "guidability"):
        assert spec.tests.guidability is not None
        material = replace(material, solos=solos)
        wanted = wanted_questions(material, spec.tests.guidability, [model.id for model in guided])
        for guide in spec.guides_of(spec.tests.guidability):
            if guide.id not in solos:
                solos[guide.id] = await solo(guide, [q for q in questions.kept if q.id in wanted])
    return Gathered(replace(material, solos=solos), questions, grader.version)


def takes_part(spec: Spec, selection: Selection) -> frozenset[str]:
    """Ids of the models and guides whose trajectories a selection is made from."""
    guidability = spec.tests.guidability
    guided = guidability is not None and selection.takes(spec, "guidability")
    guides = spec.guides_of(guidability) if guidability is not None and guided else ()
    return frozenset(_needs(spec, selection)) | {guide.id for guide in guides}


def _needs(spec: Spec, selection: Selection) -> dict[str, frozenset[str]]:
    """The benchmarks on which each model has to be sampled."""
    needs: dict[str, frozenset[str]] = {}

    def need(models: Iterable[ModelSpec], benchmarks: frozenset[str]) -> None:
        for model in models:
            needs[model.id] = needs.get(model.id, frozenset()) | benchmarks

    for name in selection.tests:
        test = getattr(spec.tests, name)
        takers = selection.takes(spec, name)
        if takers:
            need(spec.models_of(test) if "shared" in test.subsets else takers, spec.benchmarks_of(test))
    recoverability = spec.tests.recoverability
    if recoverability is not None and "cross-model" in recoverability.variants:
        for taker in selection.takes(spec, "recoverability"):
            need(spec.distractors_of(recoverability, taker.id), spec.benchmarks_of(recoverability))
    return needs


def _guided_benchmarks(spec: Spec, selection: Selection) -> frozenset[str]:
    guidability = spec.tests.guidability
    if guidability is None or not selection.takes(spec, "guidability"):
        return frozenset()
    return spec.benchmarks_of(guidability)


async def _verifiable(questions: Questions, grader: Grader, stage: Stage) -> Questions:
    """Leave out questions whose gold answer our own verifier cannot verify against itself."""
    advance = stage("gold answers", len(questions.kept))
    unverifiable: dict[str, str] = {}
    for part in _parts(questions.kept, 256):
        verdicts = await asyncio.gather(*(grader.verifies(question.gold) for question in part))
        for question, verifies in zip(part, verdicts, strict=True):
            if not verifies:
                unverifiable[question.id] = f"unverifiable_gold: {question.gold!r}"
        advance(len(part))
    return questions.without(unverifiable)


def _parts(items: Sequence[Question], size: int) -> Iterator[Sequence[Question]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
