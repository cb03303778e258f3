"""A model, an engine and a data set become a run: finding the three, and bringing them together."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from offtraj import __version__
from offtraj._util.progress import Progress, no_progress
from offtraj.dataset.folder import DataFolder
from offtraj.dataset.solve_rates import solve_rates
from offtraj.dataset.tables import read_questions
from offtraj.engines.engine import Engine, open_engine
from offtraj.engines.openai.endpoint import public_url
from offtraj.errors import UsageError
from offtraj.evaluate.run_folder import Judged, RunFolder, check_run_target, write_run
from offtraj.grading.grader import Grader
from offtraj.grading.judge.audit import Audit
from offtraj.grading.judge.judge import ResolvedJudge, open_judge
from offtraj.grading.math.rule import RuleVerifier
from offtraj.model.completion import SamplingParams
from offtraj.model.model import Model, load_model, model_at
from offtraj.model.prompt import question_template
from offtraj.model.trajectory import THINK
from offtraj.run.row import SteeredRow, read_rows
from offtraj.run.runner import Runner
from offtraj.spec import EngineSpec, ModelSpec, OpenAISpec, RecordedSpec, Spec, SpecFile, TestName, TransformersSpec
from offtraj.store import Store
from offtraj_builders.definitions import SetName, test_names

__all__ = [
    "EvaluatedModel",
    "Sets",
    "choose_sets",
    "chosen_engine",
    "find_evaluated_model",
    "grading_info",
    "judged",
    "make_audit",
    "score",
]

_PACKAGES = ("math-verify", "openai", "tokenizers", "torch", "transformers")
_KEY = "OPENAI_API_KEY"


@dataclass(frozen=True)
class EvaluatedModel:
    """The model that is scored, with its engine's declaration."""

    model: Model
    engine: EngineSpec
    declared: ModelSpec | None
    """Its entry in the spec, if it has one."""


@dataclass(frozen=True)
class Sets:
    """The rows that a model is scored on."""

    data: DataFolder
    names: tuple[SetName, ...]
    limit: int | None
    """At most this many rows of each set: those with the smallest ids, which are hashes."""

    @property
    def configs(self) -> tuple[str, ...]:
        """Names of the configurations."""
        return tuple(map(str, self.names))

    def counts(self) -> dict[TestName, int]:
        """The number of rows of each test."""
        counts: dict[TestName, int] = {}
        for name in self.names:
            rows = sum(entry.rows for entry in self.data.manifest.files if entry.config == str(name))
            test = name.test.name
            counts[test] = counts.get(test, 0) + (rows if self.limit is None else min(rows, self.limit))
        return counts

    def rows(self) -> Iterator[SteeredRow]:
        """The rows, configuration by configuration, in their order."""
        for config in self.configs:
            files = self.data.files(config)
            if self.limit is None:
                yield from read_rows(files)
            else:
                chosen = frozenset(heapq.nsmallest(self.limit, (row.id for row in read_rows(files))))
                yield from (row for row in read_rows(files) if row.id in chosen)


def find_evaluated_model(file: SpecFile, model: str, engine: str | None) -> EvaluatedModel:
    """The model to score, by its id in the spec, or as a folder or Hub id; and what is to run it.

    Args:
        file: The spec of the data set.
        model: An id of the spec, a folder, or `ORG/NAME[@REVISION]`.
        engine: A name of the spec, `transformers`, or an endpoint's URL; by default what the spec says of
            the model, and `transformers` for a model that it does not know.

    Raises:
        UsageError: for an unknown engine, or a recorded model, which cannot go on.
        EngineError: for a model that cannot be found or read.
    """
    declared = file.spec.participant(model)
    spec = chosen_engine(file.spec, engine or ("transformers" if declared is None else declared.engine))
    if isinstance(spec, RecordedSpec) and (engine is None or declared is None or declared.recorded_as is None):
        raise UsageError(
            f"--model {model!r}: is a recording, which cannot go on from a prefix: give a folder or Hub id, and "
            f"`--on {model}` for the sets that were built for it"
            if engine is None
            else f"--engine {engine!r}: is a recording, in which {model!r} has no name (`recorded_as`)"
        )
    if declared is None:
        return EvaluatedModel(_model_at(file.spec, model), spec, None)
    if declared.path is None and not isinstance(spec, RecordedSpec):
        raise UsageError(f"--engine {engine!r}: {model!r} has no weights (`path`) that it could run: give a folder")
    return EvaluatedModel(load_model(file, declared, sampled=not isinstance(spec, RecordedSpec)), spec, declared)


def _model_at(spec: Spec, model: str) -> Model:
    """A model that the spec does not know."""
    if Path(model).is_dir():
        return model_at(model)
    path, _, revision = model.partition("@")
    if path.count("/") != 1 or path.startswith((".", "/", "~")):
        known = ", ".join(one.id for one in spec.participants)
        raise UsageError(f"--model {model!r}: no folder, no Hub id ORG/NAME, and none of the spec's: {known}")
    return model_at(path, revision=revision or None)


def choose_sets(
    data: DataFolder, model: str, *, built_for: str | None, tests: Sequence[str], limit: int | None
) -> Sets:
    """The configurations to run: those built for `built_for`, or for the model itself.

    Raises:
        UsageError: when there are none, or several models' and no choice.
    """
    models = list(dict.fromkeys(one.model for one in data.sets))
    owner = built_for or (model if model in models else models[0] if len(models) == 1 else None)
    if owner is None:
        remedy = f"choose with --on one of {', '.join(models)}" if models else f"it has {_listed(data)}"
        raise UsageError(f"{data.path}: nothing was built for {model!r}: {remedy}")
    unknown = [test for test in tests if test not in test_names()]
    if unknown:
        raise UsageError(f"--test {unknown[0]!r}: expected one of {', '.join(test_names())}")
    names = [one for one in data.sets if one.model == owner and (not tests or one.test.name in tests)]
    if not names:
        raise UsageError(f"{data.path}: has no such set for {owner!r}: it has {_listed(data)}")
    return Sets(data, tuple(names), limit)


def _listed(data: DataFolder) -> str:
    """The sets of a data set, and the configurations that this version does not know."""
    known = ", ".join(map(str, data.sets)) or "none"
    return f"{known}; unknown to this version: {', '.join(data.unknown)}" if data.unknown else known


async def score(
    sets: Sets,
    evaluated: EvaluatedModel,
    *,
    out: Path,
    store: Store,
    resolved_judge: ResolvedJudge | None = None,
    progress: Progress = no_progress,
) -> RunFolder:
    """Run the model on the rows, and write the run's folder.

    Args:
        sets: The rows.
        evaluated: The model and its engine.
        out: The folder.
        store: Where completions, verdicts and the judge's replies are kept.
        resolved_judge: Rules where the rule cannot; the rule decides alone without one.
        progress: Is told of progress.

    Raises:
        OfftrajError: as the engine, the judge, the store and `write_run` do.
    """
    file, model = sets.data.spec, evaluated.model
    engine = await open_engine(evaluated.engine, model, file=file, declared=evaluated.declared, progress=progress)
    verifier, judge = RuleVerifier(), open_judge(resolved_judge, store)
    grader = Grader(verifier, store, judge, make_audit(resolved_judge, file.spec.seed))
    info = _info(sets, evaluated, engine) | grading_info(grader, resolved_judge)
    check_run_target(out, info)
    runner = Runner(
        model=model,
        engine=engine,
        store=store,
        grader=grader,
        template=question_template(file.spec.domain, file.spec.prompt),
        params=_params(file.spec),
        samples=_samples(file.spec),
        questions=read_questions(sets.data.files("questions")),
    )
    try:
        wanted = sum(rows * runner.samples[test] for test, rows in sets.counts().items())
        started = time.monotonic()
        await runner.generate(sets.rows(), progress(f"run {model.id}", wanted))
        info["engine"] |= engine.facts()  # how many requests were tried again is known now
        info["timing"] = {
            "seconds": round(time.monotonic() - started, 1),
            "generated": runner.generated,
            "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return await write_run(out, info, runner.outcomes(sets.rows()), judged=lambda: judged(grader))
    finally:
        await engine.close()
        await verifier.close()
        if judge is not None:
            await judge.close()


def make_audit(resolved_judge: ResolvedJudge | None, seed: int) -> Audit | None:
    """The audit that a judge's declaration asks for."""
    return (
        Audit(resolved_judge.judge.audit, seed) if resolved_judge is not None and resolved_judge.judge.audit else None
    )


def grading_info(grader: Grader, resolved_judge: ResolvedJudge | None) -> dict[str, Any]:
    """What `run.json` says of verification: enough to grade the completions again."""
    judge: dict[str, Any] | None = None
    if resolved_judge is not None and grader.judge is not None:
        judge = {
            "identity": grader.judge.identity,
            "judge": resolved_judge.judge.model_dump(),
            "engine": resolved_judge.engine.model_dump(),
        }
        if isinstance(resolved_judge.engine, OpenAISpec):
            judge["engine"]["base_url"] = public_url(resolved_judge.engine.base_url)
    return {"verifier": grader.verifier.version, "judge": judge}


def judged(grader: Grader) -> Judged:
    """What came of the judge."""
    audit = None if grader.audit is None else grader.audit.report()
    return Judged(audit, None if grader.judge is None else grader.judge.usage)


def chosen_engine(spec: Spec, name: str) -> EngineSpec:
    """The engine of that name: one of the spec, `transformers`, or an endpoint's URL.

    Raises:
        UsageError: when it is none of these.
    """
    if name in spec.engines:
        return spec.engines[name]
    if name == "transformers":
        return TransformersSpec(kind="transformers")
    if name.startswith(("http://", "https://")):
        return OpenAISpec(kind="openai", base_url=name, api_key_env=_KEY if os.environ.get(_KEY) else None)
    known = ", ".join([*spec.engines, "transformers", "an http:// or https:// URL"])
    raise UsageError(f"--engine {name!r}: expected one of {known}")


def _params(spec: Spec) -> SamplingParams:
    sampling = spec.sampling
    return SamplingParams(sampling.temperature, sampling.top_p, sampling.max_tokens, spec.seed)


def _samples(spec: Spec) -> Mapping[TestName, int]:
    declared = spec.tests.declared()
    return {name: declared[name].samples if name in declared else 1 for name in test_names()}


def _info(sets: Sets, evaluated: EvaluatedModel, engine: Engine) -> dict[str, Any]:
    manifest, model = sets.data.manifest, evaluated.model
    delimiters, publish = model.delimiters or THINK, sets.data.spec.spec.publish
    return {
        "offtraj": __version__,
        # What the set is called on the Hub; it came from there where `data` has a revision.
        "repo": sets.data.repo or (None if publish is None else publish.repo),
        "data": {
            "name": manifest.name,
            "version": manifest.version,
            "spec_sha256": manifest.spec_sha256,
            "revision": sets.data.revision,
            "configs": list(sets.configs),
            "limit": sets.limit,
        },
        "model": {"id": model.id, "path": model.path, "revision": model.revision},
        "think": {"open": delimiters.open, "close": delimiters.close},
        "engine": {"kind": evaluated.engine.kind, "identity": engine.identity, **engine.facts()},
        "sampling": sets.data.spec.spec.sampling.model_dump(),
        "seed": sets.data.spec.spec.seed,
        "solo": solve_rates(sets.data, model.id, (model.revision, engine.identity)),
        "versions": {name: found for name in _PACKAGES if (found := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
