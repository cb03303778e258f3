"""Published solo samples: the trajectories of a data set, with their verdicts.

With them a set is rebuilt, or extended by another model, without sampling again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from offtraj._util.digest import content_id
from offtraj._util.parquet import read_parquet
from offtraj.dataset.configs import trajectories_config_name, trajectories_model
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

_BATCH = 64  # rows that are in memory at once; a trajectory may have 100,000 characters
_COLUMNS = (
    "question_id", "sample", "model", "model_revision", "opening", "thinking", "closing", "answer",
    "finish_reason", "verdict", "decided_by", "reason",
)  # fmt: skip


def published_models(data: DataFolder) -> frozenset[str]:
    """Ids of the models and guides whose trajectories a data set holds."""
    return frozenset(model for entry in data.manifest.files if (model := trajectories_model(entry.config)))


def published_solo(
    data: DataFolder, model: Model, questions: Sequence[Question], *, samples: int, store: Store
) -> Solo:
    """A model's published solo samples on some questions; their texts are copied into the store.

    A question without published samples has none, as in a recording.

    Args:
        data: The data set.
        model: The model.
        questions: The questions.
        samples: Number of samples of each question, counted from sample 0.
        store: Receives the texts.

    Raises:
        DataError: for a file that holds something else, the trajectories of another model or revision, or pieces
            that differ from how this model's responses are split.
        HubError: when a file cannot be fetched.
        StoreError: when the store cannot keep the texts.
    """
    files = data.files(trajectories_config_name(model.id))
    of = content_id("published", [data.verified(path).sha256 for path in files])
    wanted = {question.id for question in questions}
    found: dict[str, dict[int, SoloSample]] = {}
    revision: str | None = None
    for path in files:
        for rows in read_parquet(path, "a table of trajectories", rows=_BATCH, columns=_COLUMNS):
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


def _same(path: Path, what: str, found: str, expected: str | None) -> str:
    if expected is not None and found != expected:
        raise DataError(f"{path}: {what} is {found!r}, expected {expected!r}: trajectories of another model")
    return found
