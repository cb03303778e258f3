"""A model, an engine and a data set become a run. Printing and exit codes are left to `offtraj.cli`."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from offtraj._util.progress import Progress, no_progress
from offtraj._util.version import __version__
from offtraj.dataset.folder import DataFolder
from offtraj.dataset.solve_rates import solve_rates
from offtraj.dataset.tables import read_questions
from offtraj.engines.choice import choose_engine
from offtraj.engines.engine import Engine
from offtraj.engines.kinds import open_engine
from offtraj.engines.openai.endpoint import public_url
from offtraj.errors import UsageError
from offtraj.evaluate.run_folder import Judged, RunFolder, check_run_target, write_run
from offtraj.grading.domains import find_domain
from offtraj.grading.grader import Grader
from offtraj.grading.judge.judge import ResolvedJudge
from offtraj.grading.opening import open_grader
from offtraj.model.completion import SamplingParams
from offtraj.model.model import Model, load_model, model_at
from offtraj.model.prompt import question_template
from offtraj.model.trajectory import THINK
from offtraj.run.record import (
    EngineSettings,
    JudgeSettings,
    RunData,
    RunEngine,
    RunJudge,
    RunModel,
    RunRecord,
    RunSampling,
    RunTiming,
    ThinkDelimiters,
)
from offtraj.run.row import SteeredRow, read_rows
from offtraj.run.runner import Runner
from offtraj.spec import EngineSpec, ModelSpec, OpenAISpec, RecordedSpec, Spec, SpecFile, TestName
from offtraj.store import Store
from offtraj_builders.definitions import SetName, test_names

__all__ = [
    "EvaluatedModel",
    "EvaluationSets",
    "choose_sets",
    "evaluate",
    "find_evaluated_model",
    "judge_record",
    "judge_results",
    "over_tolerance",
]

_MODEL_FILES = ("config.json", "tokenizer_config.json", "tokenizer.json")
_PACKAGES = ("math-verify", "openai", "tokenizers", "torch", "transformers")


@dataclass(frozen=True)
class EvaluatedModel:
    """The model that is evaluated, with the declaration of its engine."""

    model: Model
    engine: EngineSpec
    declared: ModelSpec | None
    """The model's entry in the spec, if it has one."""


@dataclass(frozen=True)
class EvaluationSets:
    """The steered rows that a model is evaluated on."""

    data: DataFolder
    sets: tuple[SetName, ...]
    limit: int | None
    """At most so many rows of each set: those with the smallest ids, which are hashes. All rows by default."""

    @property
    def configs(self) -> tuple[str, ...]:
        """Names of the sets' configurations."""
        return tuple(map(str, self.sets))

    def counts(self) -> dict[TestName, int]:
        """Number of rows of each test."""
        counts: dict[TestName, int] = {}
        for one in self.sets:
            rows = sum(entry.rows for entry in self.data.manifest.files if entry.config == str(one))
            counts[one.test.name] = counts.get(one.test.name, 0) + (
                rows if self.limit is None else min(rows, self.limit)
            )
        return counts

    def rows(self) -> Iterator[SteeredRow]:
        """The rows, set by set, in the order of the data set."""
        for config in self.configs:
            files = self.data.files(config)
            if self.limit is None:
                yield from read_rows(files)
            else:
                chosen = frozenset(heapq.nsmallest(self.limit, (row.id for row in read_rows(files))))
                yield from (row for row in read_rows(files) if row.id in chosen)


def find_evaluated_model(file: SpecFile, model: str, engine: str | None) -> EvaluatedModel:
    """The model to evaluate and its engine.

    Args:
        file: The spec of the data set.
        model: A model's id in the spec, a folder, or `ORG/NAME[@REVISION]`.
        engine: An engine's name in the spec, `transformers`, or an endpoint's URL. By default the engine that the
            spec declares for the model, and `transformers` for a model that is not in the spec.

    Raises:
        UsageError: for an unknown engine, or a recorded model, which cannot continue a prefix.
        EngineError: for a model that cannot be found or read.
    """
    declared = file.spec.participant(model)
    spec = choose_engine(file.spec, engine or ("transformers" if declared is None else declared.engine))
    if isinstance(spec, RecordedSpec) and (engine is None or declared is None or declared.recorded_as is None):
        raise UsageError(
            f"--model {model!r}: is a recording, which cannot continue a prefix: give a folder or Hub id, and "
            f"`--on {model}` for the sets that were built for it"
            if engine is None
            else f"--engine {engine!r}: is a recording, in which {model!r} has no name (`recorded_as`)"
        )
    if declared is None:
        return EvaluatedModel(_model_at(file.spec, model), spec, None)
    if declared.path is None and not isinstance(spec, RecordedSpec):
        raise UsageError(f"--engine {engine!r}: {model!r} has no weights (`path`) to run: give a folder")
    return EvaluatedModel(load_model(file, declared, sampled=not isinstance(spec, RecordedSpec)), spec, declared)


def choose_sets(
    data: DataFolder, model: str, *, built_for: str | None, tests: Sequence[str], limit: int | None
) -> EvaluationSets:
    """The steered sets to evaluate a model on.

    Args:
        data: The data set.
        model: The evaluated model's id.
        built_for: The model whose sets are used. By default the evaluated model, or the only model of the data set.
        tests: Names of tests; all tests of the data set by default.
        limit: At most so many rows of each set.

    Raises:
        UsageError: when there is no such set, or there are sets of several models and none is chosen.
    """
    models = list(dict.fromkeys(one.model for one in data.sets))
    owner = built_for or (model if model in models else models[0] if len(models) == 1 else None)
    if owner is None:
        remedy = f"choose with --on one of {', '.join(models)}" if models else f"it has {_listed(data)}"
        raise UsageError(f"{data.path}: nothing was built for {model!r}: {remedy}")
    unknown = [test for test in tests if test not in test_names()]
    if unknown:
        raise UsageError(f"--test {unknown[0]!r}: expected one of {', '.join(test_names())}")
    chosen = tuple(one for one in data.sets if one.model == owner and (not tests or one.test.name in tests))
    if not chosen:
        raise UsageError(f"{data.path}: has no such set for {owner!r}: it has {_listed(data)}")
    return EvaluationSets(data, chosen, limit)


def _listed(data: DataFolder) -> str:
    """The sets of a data set, and the configurations that this version does not know."""
    known = ", ".join(map(str, data.sets)) or "none"
    return f"{known}; unknown to this version: {', '.join(data.unknown)}" if data.unknown else known


async def evaluate(
    sets: EvaluationSets,
    evaluated: EvaluatedModel,
    *,
    out: Path,
    store: Store,
    resolved_judge: ResolvedJudge | None = None,
    progress: Progress = no_progress,
) -> RunFolder:
    """Run the model on the rows, grade its completions, and write the run's folder.

    Args:
        sets: The rows.
        evaluated: The model and its engine.
        out: The folder.
        store: Keeps completions, verdicts and the judge's replies.
        resolved_judge: Decides where the rule cannot; without one the rule decides alone.
        progress: Is told of progress.

    Raises:
        OfftrajError: as the engine, the judge, the store and `write_run` do.
    """
    file, model = sets.data.spec, evaluated.model
    domain = find_domain(file.spec.domain)
    engine = await open_engine(evaluated.engine, model, file=file, declared=evaluated.declared, progress=progress)
    try:
        async with open_grader(domain, store=store, judge=resolved_judge, audit_seed=file.spec.seed) as grader:
            record = _record(sets, evaluated, engine, grader, resolved_judge)
            check_run_target(out, record)
            runner = Runner(
                model=model,
                engine=engine,
                store=store,
                grader=grader,
                template=question_template(file.spec.domain, file.spec.prompt),
                params=_params(file.spec),
                samples=_samples(file.spec),
                questions=read_questions(sets.data.files("questions"), domain),
            )
            wanted = sum(rows * runner.samples[test] for test, rows in sets.counts().items())
            started = time.monotonic()
            await runner.generate(sets.rows(), progress(f"run {model.id}", wanted))
            timing = RunTiming(
                seconds=round(time.monotonic() - started, 1),
                generated=runner.generated,
                finished=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            )
            # The engine's facts include how many requests were sent again, which is known only now.
            record = record.model_copy(update={"engine": _engine_record(evaluated, engine), "timing": timing})
            return await write_run(out, record, runner.outcomes(sets.rows()), judged=lambda: judge_results(grader))
    finally:
        await engine.close()


def over_tolerance(record: RunRecord, tolerance: float) -> bool:
    """Whether a larger share of a run's outcomes than `tolerance` is unscored; false without outcomes."""
    counts = record.outcomes
    return counts is not None and counts.total > 0 and counts.unscored / counts.total > tolerance


def judge_record(grader: Grader, resolved_judge: ResolvedJudge | None) -> RunJudge | None:
    """What a run records of its judge: enough to grade its completions again; `None` without a judge."""
    if resolved_judge is None or grader.judge is None:
        return None
    engine = resolved_judge.engine
    settings = engine.model_dump(mode="json")
    if isinstance(engine, OpenAISpec):
        settings["base_url"] = public_url(engine.base_url)
    return RunJudge(
        identity=grader.judge.identity,
        judge=JudgeSettings(**resolved_judge.judge.model_dump(mode="json")),
        engine=EngineSettings(**settings),
    )


def judge_results(grader: Grader) -> Judged:
    """The audit's report and the judge's usage; `None` for each without a judge."""
    audit = None if grader.audit is None else grader.audit.report()
    return Judged(audit, None if grader.judge is None else grader.judge.usage)


def _model_at(spec: Spec, model: str) -> Model:
    """A model that is not in the spec."""
    if model and Path(model).is_dir():
        if not any((Path(model) / name).is_file() for name in _MODEL_FILES):  # before all of it is read for its digest
            raise UsageError(f"--model {model!r}: no model is in this folder: it has no {' or '.join(_MODEL_FILES)}")
        return model_at(model)
    path, _, revision = model.partition("@")
    if path.count("/") != 1 or not all(path.split("/")) or path.startswith((".", "/", "~")):
        known = ", ".join(one.id for one in spec.participants)
        raise UsageError(f"--model {model!r}: no folder, no Hub id ORG/NAME, and none of the spec's: {known}")
    return model_at(path, revision=revision or None)


def _params(spec: Spec) -> SamplingParams:
    sampling = spec.sampling
    return SamplingParams(sampling.temperature, sampling.top_p, sampling.max_tokens, spec.seed)


def _samples(spec: Spec) -> Mapping[TestName, int]:
    declared = spec.tests.declared()
    return {name: declared[name].samples if name in declared else 1 for name in test_names()}


def _record(
    sets: EvaluationSets,
    evaluated: EvaluatedModel,
    engine: Engine,
    grader: Grader,
    resolved_judge: ResolvedJudge | None,
) -> RunRecord:
    """What is known before generating."""
    manifest, model, spec = sets.data.manifest, evaluated.model, sets.data.spec.spec
    return RunRecord(
        offtraj=__version__,
        repo=sets.data.repo or (None if spec.publish is None else spec.publish.repo),
        domain=manifest.domain,
        data=RunData(
            name=manifest.name,
            version=manifest.version,
            spec_sha256=manifest.spec_sha256,
            revision=sets.data.revision,
            configs=sets.configs,
            limit=sets.limit,
        ),
        model=RunModel(id=model.id, path=model.path, revision=model.revision),
        think=ThinkDelimiters(**asdict(model.delimiters or THINK)),
        engine=_engine_record(evaluated, engine),
        sampling=RunSampling(**spec.sampling.model_dump()),
        seed=spec.seed,
        solo=_plain(solve_rates(sets.data, model.id, (model.revision, engine.identity))),
        versions={name: found for name in _PACKAGES if (found := _version(name)) is not None},
        verifier=grader.verifier_version,
        judge=judge_record(grader, resolved_judge),
    )


def _engine_record(evaluated: EvaluatedModel, engine: Engine) -> RunEngine:
    return RunEngine(kind=evaluated.engine.kind, identity=engine.identity, **engine.facts())


def _plain(rates: Mapping[str, Mapping[str, int]] | None) -> dict[str, dict[str, int]] | None:
    return None if rates is None else {name: dict(counts) for name, counts in rates.items()}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
