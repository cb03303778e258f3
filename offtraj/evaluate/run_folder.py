"""A run's folder: outcomes, scores and record, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from offtraj._util.atomic import new_folder
from offtraj._util.digest import file_sha256
from offtraj.dataset.folder import open_folder
from offtraj.dataset.solve_rates import solve_rates
from offtraj.errors import DataError, OutputError, UsageError
from offtraj.grading.judge.audit import AuditReport
from offtraj.grading.judge.judge import JudgeUsage
from offtraj.metrics.run_scores import RunScores, score_outcomes
from offtraj.metrics.solo import SoloScore, score_solo
from offtraj.run.outcome import Outcome, outcome_schema, outcomes_to_batch, read_outcomes
from offtraj.run.record import RUN, JudgeCost, OutcomeCounts, RunRecord, UnscoredReason, read_record
from offtraj.run.solo import SolveRates
from offtraj_builders.definitions import closes_thinking

__all__ = [
    "NOT_JUDGED",
    "OUTCOMES",
    "SCORES",
    "Judged",
    "RunFolder",
    "check_run_folder",
    "check_run_target",
    "read_run",
    "write_run",
]

OUTCOMES, SCORES = "outcomes.parquet", "scores.json"
_IDENTITY = ("data", "model", "engine", "sampling")
"""The parts of a record that identify a run; versions and times do not."""
_ENGINE = ("kind", "identity")
"""The fields of the engine that identify it; its address and its retries do not."""
_COST = ("timing", "judge_cost")
"""What a run took. A run that found everything in the store took nothing, and is the same run."""
_ROW_GROUP = 256  # outcomes


class Judged(NamedTuple):
    """The results of a run's judge."""

    audit: AuditReport | None
    """Agreement with the rule, and with known-wrong answers."""
    usage: JudgeUsage | None
    """Requests and tokens."""


NOT_JUDGED = Judged(None, None)


@dataclass(frozen=True)
class RunFolder:
    """A run that was read back. Its numbers are computed when they are first asked for, and kept."""

    path: Path
    """The folder."""
    record: RunRecord
    """The content of `run.json`."""

    @property
    def model(self) -> str:
        """The model's id."""
        return self.record.model.id

    def outcomes(self, *, texts: bool = False) -> Iterator[Outcome]:
        """The outcomes in their order; without completions and questions unless `texts`.

        Raises:
            DataError: for a file that this version does not read.
        """
        return read_outcomes(self.path / OUTCOMES, closes_thinking=closes_thinking, texts=texts)

    @cached_property
    def scores(self) -> RunScores:
        """Cells, strata, verdict counts and summary, computed in one pass over the outcomes.

        Raises:
            DataError: for outcomes that cannot be read.
        """
        return score_outcomes(self.outcomes())

    @cached_property
    def solo(self) -> SoloScore | None:
        """Average Pass@1 with nothing injected; `None` where the data set does not know the model.

        Early runs of 0.1.0 do not record it. It is then read from the data set that the run names, in `data/` of the
        working directory or next to the folder of runs.
        """
        rates = self.record.solo if "solo" in self.record.model_fields_set else self._looked_up()
        return None if rates is None else score_solo(rates)

    @cached_property
    def audit(self) -> AuditReport | None:
        """What the judge said of a sample of the rule's passes and of known-wrong answers; `None` without an audit.

        Raises:
            DataError: for a `scores.json` that cannot be read.
        """
        try:
            found = json.loads((self.path / SCORES).read_text(encoding="utf-8")).get("audit")
            return None if found is None else AuditReport.from_json(found)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{self.path / SCORES}: cannot be read: {error}") from error

    def _looked_up(self) -> SolveRates | None:
        data, model, engine = self.record.data, self.record.model, self.record.engine
        if data is None:
            return None
        name = f"{data.name}-{data.version}"
        for folder in (Path("data") / name, self.path.resolve().parent.parent / "data" / name):
            try:
                found = open_folder(str(folder)) if folder.is_dir() else None
                if found is not None and found.manifest.spec_sha256 == data.spec_sha256:
                    revisions = (model.revision, None if engine is None else engine.identity)
                    return solve_rates(found, model.id, revisions)
            except UsageError:  # another data set than that of the run
                continue
        return None


async def write_run(
    out: Path,
    record: RunRecord,
    outcomes: AsyncIterator[Outcome],
    *,
    judged: Callable[[], Judged] = lambda: NOT_JUDGED,
) -> RunFolder:
    """Write a run's folder and read it back. Outcomes are streamed.

    If the folder already holds the same outcomes of the same run, it is left as it is: running again gives the
    same bytes.

    Args:
        out: The folder.
        record: The content of `run.json` without counts, which are added.
        outcomes: In the order in which they are written.
        judged: Returns the results of the judge; called after the last outcome.

    Raises:
        OutputError: when `out` holds something else, the disk is full, or it cannot be written.
    """
    check_run_target(out, record)
    try:
        with new_folder(out) as folder:
            counts = await _write_outcomes(folder / OUTCOMES, outcomes)
            written = RunFolder(folder, record)
            audit, usage = judged()
            _write_json(folder / SCORES, _scores(written, audit))
            summary = written.scores.summary
            unscored = tuple(UnscoredReason(**asdict(one)) for one in summary.unscored)
            found: dict[str, object] = {
                "exactness": dict(summary.exactness),
                "outcomes": counts,
                "unscored": unscored,
            }
            if usage is not None:
                found["judge_cost"] = JudgeCost(**asdict(usage))
            (folder / RUN).write_text(record.model_copy(update=found).to_json(), encoding="utf-8", newline="")
            if _same(folder, out):
                raise _UnchangedError  # noqa: TRY301 - it discards the new folder
    except _UnchangedError:
        pass
    read = read_run(out)
    vars(read).update(scores=written.scores, solo=written.solo)  # of the same outcomes: nothing is computed twice
    return read


def check_run_folder(out: Path) -> bool:
    """Whether `out` holds a run, and not nothing.

    Raises:
        OutputError: when it holds anything else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / RUN).is_file():
        raise OutputError(f"{out}: exists, and is no run folder: choose another --out")
    return True


def check_run_target(out: Path, record: RunRecord) -> None:
    """Check that a run may be written to `out`, before anything is generated for it.

    Raises:
        OutputError: when it holds anything but this run: another model, other rows, other sampling.
    """
    if not check_run_folder(out):
        return
    there = read_record(out)
    differ = [
        f"{part}.{key} is {was!r}, not {value!r}"
        for part in _IDENTITY
        for key, value in _values(getattr(record, part)).items()
        if (was := _values(getattr(there, part)).get(key)) != value and (part != "engine" or key in _ENGINE)
    ]
    if differ:
        raise OutputError(f"{out}: holds another run: {'; '.join(differ)}: choose another --out")


def read_run(path: Path) -> RunFolder:
    """Open a run's folder. Only `run.json` is read.

    Raises:
        DataError: when there is none, or for each field of it that has another form than expected.
    """
    return RunFolder(path, read_record(path))


async def _write_outcomes(path: Path, outcomes: AsyncIterator[Outcome]) -> OutcomeCounts:
    import pyarrow.parquet as pq

    schema = outcome_schema()
    counts = {"correct": 0, "incorrect": 0, "unscored": 0}
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        waiting: list[Outcome] = []
        async for outcome in outcomes:
            counts[outcome.verdict] += 1
            waiting.append(outcome)
            if len(waiting) == _ROW_GROUP:
                writer.write_batch(outcomes_to_batch(waiting, schema))
                waiting = []
        if waiting or not any(counts.values()):
            writer.write_batch(outcomes_to_batch(waiting, schema))
    return OutcomeCounts(**counts)


def _scores(run: RunFolder, audit: AuditReport | None) -> dict[str, object]:
    """The content of `scores.json`."""
    cells, strata, verdicts, summary = run.scores
    return {
        "scores": [asdict(cell) for cell in cells],
        "strata": [asdict(cell) for cell in strata],
        "solo": None if run.solo is None else asdict(run.solo),
        "verdicts": [asdict(count) for count in verdicts],
        "exactness": summary.exactness,
        "max_tokens": summary.max_tokens,
        "usage": asdict(summary.usage),
        "unscored": [asdict(one) for one in summary.unscored],
        "audit": None if audit is None else audit.to_json(),
    }


class _UnchangedError(Exception):
    """The folder already holds what was just written."""


def _same(new: Path, old: Path) -> bool:
    """Whether both hold the same outcomes of the same run, however long it took."""
    if not all((old / name).is_file() for name in (RUN, OUTCOMES, SCORES)):
        return False
    try:
        records = [_identifying(read_record(folder)) for folder in (new, old)]
    except DataError:
        return False
    digests = [[file_sha256(folder / name) for name in (OUTCOMES, SCORES)] for folder in (new, old)]
    return records[0] == records[1] and digests[0] == digests[1]


def _identifying(record: RunRecord) -> dict[str, Any]:
    values = {name: value for name, value in _values(record).items() if name not in _COST}
    engine = values.get("engine") or {}
    return {**values, "engine": {key: engine[key] for key in _ENGINE if key in engine}}


def _values(part: BaseModel | None) -> dict[str, Any]:
    return {} if part is None else part.model_dump(mode="json", exclude_unset=True)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="")
