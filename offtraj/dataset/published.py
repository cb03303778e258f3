"""Solo samples that are published already: from a data set's trajectories, with the verdicts they were given.

With them a set is built again, or another model's beside it, without sampling anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from offtraj._util.digest import content_id
from offtraj.dataset.folder import DataFolder
from offtraj.errors import DataError
from offtraj.grading.verdict import Verdict
from offtraj.model.completion import Completion
from offtraj.model.model import Model
from offtraj.model.trajectory import NONE, Trajectory, split
from offtraj.run.question import Question
from offtraj.run.solo import Solo, SoloSample
from offtraj.store import Origin, Store

__all__ = ["published_models", "published_solo"]

_BATCH = 64  # rows; a trajectory may have a hundred thousand characters
_PREFIX = "trajectories--"
_COLUMNS = (
    "question_id", "sample", "model", "model_revision", "opening", "thinking", "closing", "answer",
    "finish_reason", "verdict", "decided_by", "reason",
)  # fmt: skip


def published_models(data: DataFolder) -> frozenset[str]:
    """Ids of the models and guides whose trajectories a data set holds."""
    configs = (entry.config for entry in data.manifest.files)
    return frozenset(config.removeprefix(_PREFIX) for config in configs if config.startswith(_PREFIX))


def published_solo(
    data: DataFolder, model: Model, questions: Sequence[Question], *, samples: int, store: Store
) -> Solo:
    """What a model did alone on some questions, as a data set says it; texts are copied into the store.

    A question of which nothing is published has no samples, as in a recording.

    Args:
        data: The data set.
        model: The model.
        questions: Which of its questions.
        samples: How many of each question's samples, from 0.
        store: Where the texts are kept.

    Raises:
        DataError: for a file that is no such table, is of another model or revision than the spec's, or whose
            pieces are not how this model's responses are split.
        HubError: when a file cannot be fetched.
        StoreError: when the store cannot keep the texts.
    """
    files = data.files(_PREFIX + model.id)
    of = content_id("published", [data.verified(path).sha256 for path in files])
    wanted = {question.id for question in questions}
    found: dict[str, dict[int, SoloSample]] = {}
    revision: str | None = None
    for path in files:
        for rows in _batches(path):
            texts: list[tuple[str, int, Completion]] = []
            for row in rows:
                revision = _same(path, "model_revision", row["model_revision"], revision)
                _same(path, "model", row["model"], model.id)
                if row["question_id"] in wanted and row["sample"] < samples:
                    sample, completion = _sample(path, row, model, content_id(of, row["question_id"]))
                    if found.setdefault(sample.question_id, {}).setdefault(sample.number, sample) is not sample:
                        raise DataError(f"{path}: sample {sample.number} of {sample.question_id!r} stands there twice")
                    texts.append((sample.key, sample.number, completion))
            store.put_completions(texts, Origin(model.id, f"published:{of}", "{}"))
    if model.revision is not None and revision is not None:
        _same(data.path, f"model_revision of {model.id}", revision, model.revision)
    kept = {
        question.id: tuple(sample for _, sample in sorted(found[question.id].items()))
        for question in questions
        if question.id in found
    }
    return Solo(model, revision or data.manifest.models[model.id].revision, kept, store)


def _sample(path: Path, row: dict[str, Any], model: Model, key: str) -> tuple[SoloSample, Completion]:
    pieces = Trajectory(row["opening"], row["thinking"], row["closing"], row["answer"])
    if split(pieces.response, model.delimiters) != pieces:
        raise DataError(
            f"{path}: sample {row['sample']} of {row['question_id']!r}: opening, thinking, closing and answer are not "
            f"how a response of {model.id} is split: another `think` in the spec, or the file was changed"
        )
    sample = SoloSample(
        question_id=row["question_id"],
        number=row["sample"],
        key=key,
        finish_reason=row["finish_reason"],
        closed=pieces.closed or model.delimiters == NONE,
        thinks=bool(pieces.thinking.strip()),
        verdict=Verdict(row["verdict"], row["decided_by"], row["reason"]),
    )
    return sample, Completion(pieces.response, row["finish_reason"], None, None)


def _batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(_COLUMNS)):
                if len(batch.schema.names) != len(_COLUMNS):
                    missing = ", ".join(sorted(set(_COLUMNS) - set(batch.schema.names)))
                    raise DataError(f"{path}: no trajectories that this version reads: {missing} missing")
                yield batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: no trajectories that this version reads: {error}") from error


def _same(path: Path, what: str, found: str, expected: str | None) -> str:
    if expected is not None and found != expected:
        raise DataError(f"{path}: {what} is {found!r}, expected {expected!r}: trajectories of another model")
    return found
