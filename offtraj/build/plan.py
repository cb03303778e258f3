"""The cost of a spec, computed from the spec and the sizes of its benchmarks; nothing is run.

Every figure is an upper bound: how many questions qualify is known only after solo sampling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from offtraj._util.records import read_records
from offtraj.errors import UsageError
from offtraj.spec import FileSource, JudgeSpec, ModelSpec, RecordedSpec, Spec, SpecFile
from offtraj_builders.definitions import definition

__all__ = ["Plan", "PlanLine", "make_plan"]


@dataclass(frozen=True)
class PlanLine:
    """One step for one model. All figures are upper bounds."""

    step: str
    """`solo`, or the name of a test."""
    model: str
    cells: int
    """Variants times subsets times values of the test's axis; 0 for solo."""
    rows: int
    """Questions, or steered rows."""
    requests: int
    completions: int
    tokens: int
    """Of prompts and completions together."""
    judge_calls: int
    """Without repeated calls for replies that cannot be parsed."""


@dataclass(frozen=True)
class Plan:
    """The cost of each step, and the number of questions."""

    questions: Mapping[str, int]
    """By benchmark."""
    lines: tuple[PlanLine, ...]


def make_plan(file: SpecFile) -> Plan:
    """The upper bounds of a spec's cost.

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
    for name, test in spec.tests.declared().items():
        available = sum(questions[benchmark] for benchmark in spec.benchmarks_of(test))
        cells = len(test.variants) * len(test.subsets) * len(test.axis_values)
        rows = definition(name).rows_at_most(spec, test, available)
        for model in spec.models_of(test):
            yield _line(spec, model, name, cells=cells, rows=rows, samples=test.samples)


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
    """At most one call for each answer, or two for each audited one (a negative control goes with it), up to the cap."""
    if judge is None:
        return 0
    audited = 0.0 if step == "solo" else judge.audit
    calls = math.ceil(answers * max(1.0, 2 * audited))
    return calls if judge.max_calls is None else min(calls, judge.max_calls)


def _benchmarks(spec: Spec, model: ModelSpec) -> frozenset[str]:
    """Benchmarks on which a model or guide is sampled."""
    names: frozenset[str] = frozenset()
    for name, test in spec.tests.declared().items():
        takers = spec.models_of(test)
        if model in takers or model in definition(name).sources(spec, test, takers):
            names |= spec.benchmarks_of(test)
    return names
