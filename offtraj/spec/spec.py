"""A spec: one YAML file that says everything a benchmark is made of. It never opens a file or a socket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints, model_validator

from offtraj.spec.base import Frozen, Name, Positive, Share
from offtraj.spec.benchmark import BenchmarkSpec
from offtraj.spec.engine import EngineSpec, RecordedSpec
from offtraj.spec.model import ModelSpec
from offtraj.spec.twin_tests import GuidabilitySpec, RecoverabilitySpec, TestName, TestsSpec

__all__ = ["JudgeSpec", "Loc", "Problem", "PublishSpec", "ReferenceProblems", "SamplingSpec", "Spec"]

Loc = tuple[str | int, ...]
"""Where a value stands in a spec: keys and indices from the top."""


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
    """An LLM that decides where the rule says different or cannot tell (paper, appendix B).

    It is asked in chat messages, at temperature 0: its engine is one of kind openai or transformers.
    """

    model: str
    """The judge's name at its server; a Hub id or folder for an engine of kind transformers."""
    engine: str
    """One of the spec's `engines`."""
    audit: Share = 0.0
    """Share of the rule's passes that a run has judged as well, each with an answer known to be wrong beside it."""
    max_calls: Positive | None = None
    """How often one command may ask it at most; what is left over stays unscored until the next."""
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
    """Whether to register the data set as a benchmark (`eval.yaml`). The Hub takes that from frameworks
    on its allow-list only."""


class Problem(NamedTuple):
    """Something wrong, and where."""

    loc: Loc
    message: str


class ReferenceProblems(ValueError):
    """Names that point nowhere, and combinations that cannot work."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, loc))}: {message}" for loc, message in problems))
        self.problems = tuple(problems)


class Spec(Frozen):
    """One benchmark suite: questions, models, sampling, tests and publication."""

    name: Name
    """Name of the suite and of its data set."""
    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")]
    """Version of the data set that this spec makes, such as 1.0.0; a tag `v1.0.0` on the Hub."""
    domain: Literal["math"] = "math"
    """What is verified, and how."""
    description: str = ""
    """One line for the card."""
    seed: int = 0
    """Seed of every choice and every sample."""
    prompt: str | None = None
    """What a question is put into, with `{question}` once; by default the domain's own text, which asks
    for step-by-step reasoning and a boxed answer."""
    benchmarks: Annotated[tuple[BenchmarkSpec, ...], Field(min_length=1)]
    """Sources of questions."""
    engines: dict[str, EngineSpec]
    """Engines by name."""
    models: Annotated[tuple[ModelSpec, ...], Field(min_length=1)]
    """Models under test."""
    guides: tuple[ModelSpec, ...] = ()
    """Stronger models that steer. A guide may be a model under test, too, under the same id."""
    judge: JudgeSpec | None = None
    """Decides where the rule cannot."""
    sampling: SamplingSpec = SamplingSpec()
    """How completions are sampled."""
    tests: TestsSpec
    """The tests."""
    tolerance: Share = 0.0
    """Share of a run's outcomes that may stay unscored before the exit code says so (3)."""
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

    def models_of(self, test: RecoverabilitySpec | GuidabilitySpec) -> tuple[ModelSpec, ...]:
        """The models that take a test."""
        return tuple(model for model in self.models if test.models is None or model.id in test.models)

    def guides_of(self, test: GuidabilitySpec) -> tuple[ModelSpec, ...]:
        """The guides that steer in a test."""
        return tuple(guide for guide in self.guides if test.guides is None or guide.id in test.guides)

    def benchmarks_of(self, test: RecoverabilitySpec | GuidabilitySpec) -> frozenset[str]:
        """Ids of the benchmarks whose questions a test uses."""
        return frozenset(b.id for b in self.benchmarks if test.benchmarks is None or b.id in test.benchmarks)

    def distractors_of(self, test: RecoverabilitySpec, model_id: str) -> tuple[ModelSpec, ...]:
        """The models whose trajectories distract `model_id` in the variant `cross-model`."""
        named = self.models_of(test) if test.cross_model is None else self.participants
        return tuple(m for m in named if m.id != model_id and (test.cross_model is None or m.id in test.cross_model))


def _problems(spec: Spec) -> Iterator[Problem]:
    yield from _repeated("benchmarks", [b.id for b in spec.benchmarks])
    yield from _repeated("models", [m.id for m in spec.models])
    yield from _repeated("guides", [g.id for g in spec.guides])
    by_id = {model.id: model for model in spec.models}
    for index, guide in enumerate(spec.guides):
        if guide.id in by_id and by_id[guide.id] != guide:
            yield Problem(
                ("guides", index, "id"),
                f"{guide.id!r} is a model, too, and the two entries differ: make them equal, or rename one",
            )
    for group, participants in (("models", spec.models), ("guides", spec.guides)):
        for index, participant in enumerate(participants):
            yield from _engine_problems(spec, (group, index), participant)
    if spec.judge is not None and spec.judge.engine not in spec.engines:
        yield Problem(("judge", "engine"), _unknown("engine", spec.judge.engine, spec.engines))
    if spec.prompt is not None and spec.prompt.count("{question}") != 1:
        yield Problem(("prompt",), f"{spec.prompt!r} must contain {{question}} exactly once")
    if spec.tests.recoverability is None and spec.tests.guidability is None:
        yield Problem(("tests",), "asks for no test: expected recoverability, guidability, or both")
    if spec.tests.recoverability is not None:
        yield from _test_problems(spec, "recoverability", spec.tests.recoverability)
        yield from _cross_model_problems(spec, spec.tests.recoverability)
    if spec.tests.guidability is not None:
        yield from _test_problems(spec, "guidability", spec.tests.guidability)
        yield from _guide_problems(spec, spec.tests.guidability)


def _repeated(group: str, ids: Sequence[str]) -> Iterator[Problem]:
    # File systems that ignore case would put two configs into one folder.
    folded = [name.casefold() for name in ids]
    for index, name in enumerate(ids):
        if folded[index] in folded[:index]:
            yield Problem((group, index, "id"), f"{name!r} is taken: ids are unique, whatever their case")


def _engine_problems(spec: Spec, loc: Loc, model: ModelSpec) -> Iterator[Problem]:
    if model.engine not in spec.engines:
        yield Problem((*loc, "engine"), _unknown("engine", model.engine, spec.engines))
    elif isinstance(spec.engines[model.engine], RecordedSpec):
        if model.recorded_as is None:
            yield Problem(loc, f"{model.id!r} is recorded: `recorded_as` must give its name in the recording")
    elif model.path is None:
        yield Problem(loc, f"{model.id!r} is sampled by engine {model.engine!r}: `path` must name its weights")
    elif model.tokenizer == "words":
        yield Problem(
            (*loc, "tokenizer"), f"{model.id!r} is sampled, so its own tokenizer counts: `words` is for recordings"
        )


def _test_problems(spec: Spec, name: TestName, test: RecoverabilitySpec | GuidabilitySpec) -> Iterator[Problem]:
    yield from _unknown_names(("tests", name, "models"), "model", test.models, [m.id for m in spec.models])
    yield from _unknown_names(
        ("tests", name, "benchmarks"), "benchmark", test.benchmarks, [b.id for b in spec.benchmarks]
    )


def _cross_model_problems(spec: Spec, test: RecoverabilitySpec) -> Iterator[Problem]:
    loc: Loc = ("tests", "recoverability", "cross_model")
    yield from _unknown_names(loc, "model", test.cross_model, [m.id for m in spec.participants])
    if "cross-model" in test.variants:
        for model in spec.models_of(test):
            if not spec.distractors_of(test, model.id):
                yield Problem(
                    ("tests", "recoverability", "variants"),
                    f"cross-model: no other model can distract {model.id!r}: add one to the test or to `cross_model`",
                )
    elif test.cross_model is not None:
        yield Problem(loc, "has no effect without the variant `cross-model`: add it to `variants`")


def _guide_problems(spec: Spec, test: GuidabilitySpec) -> Iterator[Problem]:
    loc: Loc = ("tests", "guidability", "guides")
    yield from _unknown_names(loc, "guide", test.guides, [g.id for g in spec.guides])
    if not spec.guides:
        yield Problem(("tests", "guidability"), "needs a guide: add `guides` to the spec")
    if "answer-forcing" in test.variants and "default" not in test.variants:
        yield Problem(("tests", "guidability", "variants"), "answer-forcing derives from default: add `default`")


def _unknown_names(loc: Loc, what: str, names: Sequence[str] | None, known: Sequence[str]) -> Iterator[Problem]:
    for index, name in enumerate(names or ()):
        if name not in known:
            yield Problem((*loc, index), _unknown(what, name, known))


def _unknown(what: str, name: str, known: Sequence[str] | dict[str, EngineSpec]) -> str:
    close = get_close_matches(name, list(known), n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known) or '(none declared)'}"
    return f"unknown {what} {name!r}: {hint}"
