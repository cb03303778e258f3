"""What a spec will cost, counted from the spec and the sizes of its benchmarks; nothing is run.

Every figure is an upper bound: how many questions qualify is known only after solo sampling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from offtraj._util.records import read_records
from offtraj.errors import UsageError
from offtraj.spec import FileSource, JudgeSpec, ModelSpec, RecordedSpec, Spec, SpecFile

__all__ = ["Plan", "PlanLine", "make_plan"]


@dataclass(frozen=True)
class PlanLine:
    """One step for one model. All figures are upper bounds."""

    step: str
    """`solo`, `recoverability` or `guidability`."""
    model: str
    cells: int
    """Variants times subsets times positions or ratios; 0 for solo."""
    rows: int
    """Questions, or steered rows."""
    requests: int
    completions: int
    tokens: int
    """Of prompts and completions together."""
    judge_calls: int
    """Without repetitions of replies that cannot be read."""


@dataclass(frozen=True)
class Plan:
    """The steps, and the questions that they start from."""

    questions: Mapping[str, int]
    """By benchmark."""
    lines: tuple[PlanLine, ...]


def make_plan(file: SpecFile) -> Plan:
    """Count what a spec asks for.

    Raises:
        UsageError: when a benchmark's size is neither in the spec nor in a local file.
        DataError: when a local file cannot be read.
    """
    questions = {benchmark.id: _size(file, index) for index, benchmark in enumerate(file.spec.benchmarks)}
    return Plan(questions, tuple(_lines(file.spec, questions)))


def _size(file: SpecFile, index: int) -> int:
    benchmark = file.spec.benchmarks[index]
    rows = benchmark.rows
    if rows is None:
        if not isinstance(benchmark.source, FileSource):
            raise UsageError(
                f"{file.place('benchmarks', index)}: how many questions {benchmark.source.hub!r} has is not known "
                "without the Hub: say it with `rows`"
            )
        path = file.file(benchmark.source.file, "benchmarks", index, "source", "file")
        rows = sum(1 for _ in read_records(path))
    return rows if benchmark.limit is None else min(rows, benchmark.limit)


def _lines(spec: Spec, questions: Mapping[str, int]) -> Iterator[PlanLine]:
    k = spec.sampling.samples
    for model in spec.participants:
        asked = sum(questions[name] for name in _benchmarks(spec, model))
        if asked:
            yield _line(spec, model, "solo", cells=0, rows=asked, samples=k)
    recoverability, guidability = spec.tests.recoverability, spec.tests.guidability
    if recoverability is not None:
        available = k * sum(questions[name] for name in spec.benchmarks_of(recoverability))
        cells = len(recoverability.variants) * len(recoverability.subsets) * len(recoverability.positions)
        rows = cells * min(recoverability.trajectories, available)
        for model in spec.models_of(recoverability):
            yield _line(spec, model, "recoverability", cells=cells, rows=rows, samples=recoverability.samples)
    if guidability is not None:
        asked = sum(questions[name] for name in spec.benchmarks_of(guidability))
        each = len(spec.guides_of(guidability)) * min(guidability.trajectories_per_question, k)
        # A question is either solvable or not; a row of both subsets is one row.
        variants = len(set(guidability.variants) - {"solvable"})
        rows = len(guidability.ratios) * asked * each * max(1, variants)
        cells = len(guidability.variants) * len(guidability.subsets) * len(guidability.ratios)
        for model in spec.models_of(guidability):
            yield _line(spec, model, "guidability", cells=cells, rows=rows, samples=guidability.samples)


def _line(spec: Spec, model: ModelSpec, step: str, *, cells: int, rows: int, samples: int) -> PlanLine:
    recorded = isinstance(spec.engines[model.engine], RecordedSpec)
    completions = 0 if recorded else rows * samples
    return PlanLine(
        step=step,
        model=model.id,
        cells=cells,
        rows=rows,
        requests=0 if recorded else rows,
        completions=completions,
        tokens=completions * spec.sampling.max_tokens,
        judge_calls=_judge_calls(spec.judge, step, rows * samples),
    )


def _judge_calls(judge: JudgeSpec | None, step: str, answers: int) -> int:
    """Every answer is judged, or passes and may be audited, with a canary beside it; no more than the cap."""
    if judge is None:
        return 0
    audited = 0.0 if step == "solo" else judge.audit
    calls = math.ceil(answers * max(1.0, 2 * audited))
    return calls if judge.max_calls is None else min(calls, judge.max_calls)


def _benchmarks(spec: Spec, model: ModelSpec) -> frozenset[str]:
    """Benchmarks on which a model or guide is sampled."""
    names: frozenset[str] = frozenset()
    recoverability, guidability = spec.tests.recoverability, spec.tests.guidability
    if recoverability is not None:
        takers = spec.models_of(recoverability)
        distracts = "cross-model" in recoverability.variants and any(
            model in spec.distractors_of(recoverability, taker.id) for taker in takers
        )
        if model in takers or distracts:
            names |= spec.benchmarks_of(recoverability)
    if guidability is not None and (model in spec.models_of(guidability) or model in spec.guides_of(guidability)):
        names |= spec.benchmarks_of(guidability)
    return names
