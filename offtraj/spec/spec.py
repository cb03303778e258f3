"""A spec: everything that a benchmark is made of, as one frozen value. It never opens a file or a socket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from offtraj.spec.base import Frozen, Name, Positive, Share
from offtraj.spec.benchmark import BenchmarkSpec
from offtraj.spec.document import Loc
from offtraj.spec.engine import EngineSpec, RecordedSpec
from offtraj.spec.guidability import GuidabilitySpec
from offtraj.spec.model import ModelSpec
from offtraj.spec.references import Problem, ReferenceProblems, unknown_name
from offtraj.spec.test import TestSpec
from offtraj.spec.tests import TestsSpec

__all__ = ["JudgeSpec", "PublishSpec", "SamplingSpec", "Spec"]


class SamplingSpec(Frozen):
    """How completions are sampled (paper, section 3.1: 8, 0.6, 0.95, 32K, no system prompt)."""

    samples: Positive = 8
    """Solo completions for each question (paper: k)."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.6
    """0 is greedy."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Nucleus: the smallest set of tokens with this much probability."""
    max_tokens: Positive = 32768
    """Tokens of prompt and completion together; a continuation gets what its prefix leaves over."""


class JudgeSpec(Frozen):
    """An LLM that decides where the rule finds no equality or cannot decide (paper, appendix B).

    It is prompted by chat messages at temperature 0, by an engine of kind openai or transformers.
    """

    model: str
    """Name of the judge at its server; a Hub id or folder for an engine of kind transformers."""
    engine: str
    """One of the spec's `engines`."""
    audit: Share = 0.0
    """Share of the rule's passes that the judge also decides, each together with a negative control (a wrong answer)."""
    max_calls: Positive | None = None
    """Maximum number of calls of one command; answers beyond it stay unscored until the next command."""
    max_tokens: Positive = 4096
    """Tokens of a reply, its thinking included."""


class PublishSpec(Frozen):
    """Where and how the data set is published."""

    repo: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    """Repository on the Hub: `ORG/NAME`."""
    card: str | None = None
    """Template of the data set card; the packaged one by default."""
    license: str = "other"
    """Licence id of the Hub."""
    eval: bool = False
    """Whether to register the data set as a benchmark (`eval.yaml`). The Hub accepts that from frameworks
    on its allow-list only."""


class Spec(Frozen):
    """One benchmark suite: questions, models, sampling, tests and publication."""

    name: Name
    """Name of the suite and of its data set."""
    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")]
    """Version of the data set that this spec makes, such as 1.0.0; a tag `v1.0.0` on the Hub."""
    domain: Literal["math"] = "math"
    """Kind of answers, which determines how they are graded."""
    description: str = ""
    """One line for the card."""
    seed: int = 0
    """Seed of every selection and every sample."""
    prompt: str | None = None
    """Template of the prompt, with `{question}` once; the domain's own by default, which asks for
    step-by-step reasoning and a boxed answer."""
    benchmarks: Annotated[tuple[BenchmarkSpec, ...], Field(min_length=1)]
    """Sources of questions."""
    engines: dict[str, EngineSpec]
    """Engines by name."""
    models: Annotated[tuple[ModelSpec, ...], Field(min_length=1)]
    """Models under test."""
    guides: tuple[ModelSpec, ...] = ()
    """Stronger models that steer. A model under test may also be a guide, under the same id."""
    judge: JudgeSpec | None = None
    """An LLM that decides where the rule cannot."""
    sampling: SamplingSpec = SamplingSpec()
    """How completions are sampled."""
    tests: TestsSpec
    """The tests."""
    tolerance: Share = 0.0
    """Share of a run's outcomes that may stay unscored; above it the exit code is 3."""
    publish: PublishSpec | None = None
    """Publication on the Hub."""

    @model_validator(mode="after")
    def _references_resolve(self) -> Spec:
        if problems := list(_problems(self)):
            raise ReferenceProblems(problems)
        return self

    @property
    def participants(self) -> tuple[ModelSpec, ...]:
        """Models, then guides, each id once."""
        return tuple({model.id: model for model in (*self.models, *self.guides)}.values())

    def participant(self, model_id: str) -> ModelSpec | None:
        """The model or guide of that id."""
        return next((model for model in self.participants if model.id == model_id), None)

    def models_of(self, test: TestSpec) -> tuple[ModelSpec, ...]:
        """The models that take a test."""
        return tuple(model for model in self.models if test.models is None or model.id in test.models)

    def guides_of(self, test: GuidabilitySpec) -> tuple[ModelSpec, ...]:
        """The guides that steer in a test."""
        return tuple(guide for guide in self.guides if test.guides is None or guide.id in test.guides)

    def benchmarks_of(self, test: TestSpec) -> frozenset[str]:
        """Ids of the benchmarks whose questions a test uses."""
        return frozenset(b.id for b in self.benchmarks if test.benchmarks is None or b.id in test.benchmarks)


def _problems(spec: Spec) -> Iterator[Problem]:
    yield from _repeated("benchmarks", [b.id for b in spec.benchmarks])
    yield from _repeated("models", [m.id for m in spec.models])
    yield from _repeated("guides", [g.id for g in spec.guides])
    by_id = {model.id: model for model in spec.models}
    for index, guide in enumerate(spec.guides):
        if guide.id in by_id and by_id[guide.id] != guide:
            yield Problem(
                ("guides", index, "id"),
                f"{guide.id!r} is also a model, and the two entries differ: make them equal, or rename one",
            )
    for group, participants in (("models", spec.models), ("guides", spec.guides)):
        for index, participant in enumerate(participants):
            yield from _engine_problems(spec, (group, index), participant)
    if spec.judge is not None and spec.judge.engine not in spec.engines:
        yield Problem(("judge", "engine"), unknown_name("engine", spec.judge.engine, spec.engines))
    if spec.prompt is not None and spec.prompt.count("{question}") != 1:
        yield Problem(("prompt",), f"{spec.prompt!r} must contain {{question}} exactly once")
    yield from spec.tests.problems(spec)


def _repeated(group: str, ids: Sequence[str]) -> Iterator[Problem]:
    # File systems that ignore case would put two configs into one folder.
    folded = [name.casefold() for name in ids]
    for index, name in enumerate(ids):
        if folded[index] in folded[:index]:
            yield Problem((group, index, "id"), f"{name!r} is taken: ids must differ in more than case")


def _engine_problems(spec: Spec, loc: Loc, model: ModelSpec) -> Iterator[Problem]:
    if model.engine not in spec.engines:
        yield Problem((*loc, "engine"), unknown_name("engine", model.engine, spec.engines))
    elif isinstance(spec.engines[model.engine], RecordedSpec):
        if model.recorded_as is None:
            yield Problem(loc, f"{model.id!r} is recorded: `recorded_as` must give its name in the recording")
    elif model.path is None:
        yield Problem(loc, f"{model.id!r} is sampled by engine {model.engine!r}: `path` must name its weights")
    elif model.tokenizer == "words":
        yield Problem(
            (*loc, "tokenizer"), f"{model.id!r} is sampled, so its own tokenizer counts: `words` is for recordings"
        )
