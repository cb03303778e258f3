"""Recorded responses as an engine: real trajectories without a model, and the fake for tests.

A request's `subject` is looked up as the recording's question id. A recording can therefore answer questions (solo),
and steered rows where its ids are ids of rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Container, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from offtraj._util.digest import content_id, file_sha256
from offtraj._util.records import Record, read_records
from offtraj.engines.engine import Opening
from offtraj.errors import DataError
from offtraj.model.completion import Completion, Failure, FinishReason, PromptMode, Reply, Request
from offtraj.spec import RecordedColumns, RecordedSpec

__all__ = ["NOT_RECORDED", "RecordedEngine", "open_recorded"]

NOT_RECORDED = "not recorded"
"""The failure's message for a sample that the recording does not have."""


class RecordedEngine:
    """Replies from files, which are read in order, once for all requests."""

    prompt_mode: PromptMode = "recorded"

    def __init__(self, files: Sequence[Path], columns: RecordedColumns, model: str) -> None:
        """Replay what `model` wrote in `files`."""
        self._files = tuple(files)
        self._columns = columns
        self._model = model

    @cached_property
    def identity(self) -> str:
        """Changes with the files' content, not with their location."""
        digests = [file_sha256(path) for path in self._files]
        return "recorded:" + content_id(digests, self._columns.model_dump(mode="json"), self._model)

    def facts(self) -> dict[str, Any]:
        """What a run's record says of the engine."""
        return {"mode": self.prompt_mode}

    async def replies(self, requests: Iterable[Request]) -> AsyncIterator[Reply]:
        """Replies in the order of the recording, then failures for the samples that it does not have.

        The samples of a subject are numbered from 0 in the order of the files, and within a file in the
        order of their numbers there: appending a file renumbers nothing.

        Raises:
            DataError: for a record that is malformed, or a sample number that occurs twice in one file.
        """
        wanted: dict[str, dict[int, Request]] = defaultdict(dict)
        for request in requests:
            wanted[request.subject].update(dict.fromkeys(request.samples, request))
        ranks = self._ranks(wanted)
        for index, path in enumerate(self._files):
            for subject, number, record in self._records(path):
                sample = ranks.get(subject, {}).get((index, number))
                if sample is not None and sample in wanted[subject]:
                    text = record.text(self._columns.response)
                    completion = Completion(text, self._finish_reason(record), None, None)
                    yield Reply(wanted[subject].pop(sample), sample, completion)
        for missing in wanted.values():
            for sample, request in sorted(missing.items(), key=lambda item: item[0]):
                yield Reply(request, sample, Failure(NOT_RECORDED))

    async def close(self) -> None:
        """Nothing to release."""

    def _ranks(self, wanted: Container[str]) -> dict[str, dict[tuple[int, int], int]]:
        """The overall sample number of each (file, number in the file), by subject."""
        places: dict[str, dict[tuple[int, int], str]] = defaultdict(dict)
        for index, path in enumerate(self._files):
            for subject, number, record in self._records(path):
                if subject not in wanted:
                    continue
                first = places[subject].setdefault((index, number), record.place)
                if first != record.place:
                    raise DataError(
                        f"{record.place}: {self._model!r} answers {subject!r} with sample {number} for the second "
                        f"time in this file (first: {first}): number the samples apart"
                    )
        return {subject: {at: n for n, at in enumerate(sorted(held))} for subject, held in places.items()}

    def _records(self, path: Path) -> Iterator[tuple[str, int, Record]]:
        """The model's records in a file that have a question id."""
        columns = self._columns
        for record in read_records(path):
            if columns.model not in record.fields:
                record.text(columns.model)  # says which column is missing, and where
            if record.fields[columns.model] == self._model and record.fields.get(columns.question_id) is not None:
                yield record.text(columns.question_id), record.integer(columns.sample), record

    def _finish_reason(self, record: Record) -> FinishReason | None:
        column = self._columns.finish_reason
        if column is None or record.fields.get(column) is None:
            return None
        value = record.text(column)
        if value not in ("stop", "length"):
            raise DataError(f"{record.place}: column {column!r} holds {value!r}: expected 'stop' or 'length'")
        return "stop" if value == "stop" else "length"


async def open_recorded(spec: RecordedSpec, opening: Opening) -> RecordedEngine:
    """The recording that a spec declares, as far as it is the model's.

    Raises:
        SpecError: for a missing file or variable.
    """
    file, declared = opening.file, opening.declared
    assert file is not None and declared is not None and declared.recorded_as is not None  # checked with the spec
    paths = [file.file(path, "engines", declared.engine, "files", i) for i, path in enumerate(spec.files)]
    return RecordedEngine(paths, spec.columns, declared.recorded_as)
