"""The configurations other than the steered sets: questions, and the solo trajectories of each model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from offtraj._util.parquet import open_parquet
from offtraj.dataset.configs import QUESTIONS, trajectories_config_name
from offtraj.dataset.folder import Config
from offtraj.grading.domain import Domain
from offtraj.run.question import Question
from offtraj.run.solo import Solo, SoloSample

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["questions_config", "read_questions", "trajectories_config", "trajectories_schema"]

_BATCH = 64  # rows of an Arrow batch; a trajectory may have 100,000 characters


def questions_config(
    questions: Sequence[Question], solos: Mapping[str, Solo], shared: Mapping[str, Sequence[str]]
) -> Config:
    """The usable questions, with the solve rates of every model and guide.

    Args:
        questions: In their order.
        solos: By model or guide id.
        shared: Names of the tests whose shared subset contains a question, by the question's id.
    """
    import pyarrow as pa
    from datasets import Features, List, Value

    rate = {"model": Value("string"), "solved": Value("int32"), "sampled": Value("int32")}
    schema = Features(
        {
            "id": Value("string"),
            "benchmark": Value("string"),
            "question": Value("string"),
            "answer": Value("string"),
            "unit": Value("string"),
            "tolerance": Value("float64"),
            "shared": List(Value("string")),
            "solve_rates": List(rate),
        }
    ).arrow_schema

    def rates(question: Question) -> list[dict[str, str | int]]:
        found = ((name, solo.rate(question.id)) for name, solo in solos.items() if question.id in solo.samples)
        return [{"model": name, "solved": rate.solved, "sampled": rate.sampled} for name, rate in found]

    def row(question: Question) -> dict[str, object]:
        return {
            "id": question.id,
            "benchmark": question.benchmark,
            "question": question.text,
            **question.reference.columns(),
            "shared": list(shared.get(question.id, ())),
            "solve_rates": rates(question),
        }

    async def batches() -> AsyncIterator[pa.RecordBatch]:
        for start in range(0, len(questions), _BATCH):
            yield pa.RecordBatch.from_pylist([row(q) for q in questions[start : start + _BATCH]], schema)

    return Config(QUESTIONS, "test", schema, batches())


def read_questions(files: Iterable[Path], domain: Domain) -> dict[str, Question]:
    """The questions of that configuration, by id, with references of the domain.

    Raises:
        DataError: for a file that holds something else.
    """
    questions: dict[str, Question] = {}
    for path in files:
        with open_parquet(path, "a table of questions") as file:
            for row in file.read().to_pylist():
                reference = domain.published_reference(row)
                questions[row["id"]] = Question(row["id"], row["benchmark"], row["question"], reference)
    return questions


def trajectories_schema() -> pa.Schema:
    """Arrow schema of the trajectories' columns, with the metadata from which `datasets` reads its features."""
    from datasets import Features, Value

    schema: pa.Schema = Features(
        {
            "benchmark": Value("string"),
            "question_id": Value("string"),
            "sample": Value("int32"),
            "model": Value("string"),
            "model_revision": Value("string"),
            "opening": Value("string"),
            "thinking": Value("string"),
            "closing": Value("string"),
            "answer": Value("string"),
            "tokens": Value("int32"),
            "finish_reason": Value("string"),
            "verdict": Value("string"),
            "decided_by": Value("string"),
            "reason": Value("string"),
        }
    ).arrow_schema
    return schema


def trajectories_config(solo: Solo, benchmarks: Mapping[str, str]) -> Config:
    """All solo samples of a model or guide.

    `opening + thinking + closing + answer` is the response, byte for byte; the offsets of segments are characters of
    `thinking`.

    Args:
        solo: The samples.
        benchmarks: The benchmark of each question id.
    """
    import pyarrow as pa

    schema = trajectories_schema()
    revision = solo.model.revision or solo.identity

    def row(sample: SoloSample) -> dict[str, str | int | None]:
        trajectory = solo.trajectory(sample)
        return {
            "benchmark": benchmarks[sample.question_id],
            "question_id": sample.question_id,
            "sample": sample.number,
            "model": solo.model.id,
            "model_revision": revision,
            "opening": trajectory.opening,
            "thinking": trajectory.thinking,
            "closing": trajectory.closing,
            "answer": trajectory.answer,
            "tokens": solo.model.tokens.count(trajectory.thinking),
            "finish_reason": sample.finish_reason,
            "verdict": sample.verdict.name,
            "decided_by": sample.verdict.decided_by,
            "reason": sample.verdict.reason,
        }

    async def batches() -> AsyncIterator[pa.RecordBatch]:
        rows = []
        for sample in solo:
            rows.append(row(sample))
            if len(rows) == _BATCH:
                yield pa.RecordBatch.from_pylist(rows, schema)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema)

    return Config(trajectories_config_name(solo.model.id), "train", schema, batches())
