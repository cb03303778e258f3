"""A run's folder: outcomes, scores and provenance, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from offtraj._util.atomic import new_folder
from offtraj._util.digest import file_sha256
from offtraj.dataset.folder import open_folder
from offtraj.dataset.solve_rates import solve_rates
from offtraj.errors import DataError, OutputError, UsageError
from offtraj.grading.judge.audit import AuditReport
from offtraj.grading.judge.judge import JudgeUsage
from offtraj.metrics.scores import Cell, VerdictCount, count_verdicts, stratify, summarise
from offtraj.metrics.solo import SoloScore, score_solo
from offtraj.metrics.summary import RunSummary, summarise_run
from offtraj.run.outcome import Outcome, outcome_schema, outcomes_to_batch, read_outcomes
from offtraj.run.solo import SolveRates
from offtraj_builders.definitions import closes_thinking

__all__ = ["NOT_JUDGED", "Judged", "RunFolder", "check_run_target", "read_run", "write_run"]

RUN, OUTCOMES, SCORES = "run.json", "outcomes.parquet", "scores.json"
_IDENTITY = ("data", "model", "engine", "sampling")
"""What makes a run that run; versions and times do not."""
_ENGINE = ("kind", "identity")
"""What of an engine does, the way of its prompts included; its address and what became of its requests do not."""
_COST = ("timing", "judge_cost")
"""What a run took; one that found everything in the store took nothing, and is the same run."""
_ROW_GROUP = 256  # outcomes


class Judged(NamedTuple):
    """What came of a run's judge."""

    audit: AuditReport | None
    usage: JudgeUsage | None


NOT_JUDGED = Judged(None, None)


@dataclass(frozen=True)
class RunFolder:
    """A run, read back: provenance and where its outcomes are."""

    path: Path
    info: Mapping[str, Any]
    """`run.json`."""

    @property
    def model(self) -> str:
        """The model's id."""
        return str(self.info["model"]["id"])

    def cells(self) -> list[Cell]:
        """The scores, computed from the outcomes."""
        return summarise(self.outcomes())

    def strata(self) -> list[Cell]:
        """The scores by benchmark and by solve rate, computed from the outcomes."""
        return stratify(self.outcomes())

    def summary(self) -> RunSummary:
        """How its prompts were sent, what ran out of tokens, and what is unscored; computed from the outcomes."""
        return summarise_run(self.outcomes())

    def outcomes(self, *, texts: bool = False) -> Iterator[Outcome]:
        """The outcomes, from which every number is computed; completions and questions are read with `texts` only."""
        return read_outcomes(self.path / OUTCOMES, closes_thinking=closes_thinking, texts=texts)

    def solo(self) -> SoloScore | None:
        """How the model does alone, where its data set says so.

        A run that does not say it itself (0.1.0) is looked up in the data set that it names, as long as that is
        where `build` puts it: in `data/`, here or beside the folder of the run's folder.

        Raises:
            DataError: when it is said in a way that this version does not read.
        """
        try:
            rates = self.info["solo"] if "solo" in self.info else self._looked_up()
            return None if rates is None else score_solo(rates)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{self.path / RUN}: its `solo` cannot be read: {error}") from error

    def _looked_up(self) -> SolveRates | None:
        data, model = self.info.get("data"), self.info["model"]
        if data is None:
            return None
        name = f"{data['name']}-{data['version']}"
        for folder in (Path("data") / name, self.path.resolve().parent.parent / "data" / name):
            try:
                found = open_folder(str(folder)) if folder.is_dir() else None
                if found is not None and found.manifest.spec_sha256 == data["spec_sha256"]:
                    identities = (model.get("revision"), self.info["engine"].get("identity"))
                    return solve_rates(found, model["id"], identities)
            except UsageError:  # whatever lies there, it is not what was run on
                continue
        return None

    def verdicts(self) -> list[VerdictCount]:
        """How many outcomes were decided by whom, how and why."""
        return count_verdicts(self.outcomes())

    @property
    def audit(self) -> AuditReport | None:
        """What the judge made of the rule's passes and of known-wrong answers; none where it was not asked."""
        try:
            found = json.loads((self.path / SCORES).read_text(encoding="utf-8")).get("audit")
            return None if found is None else AuditReport(*(int(found[name]) for name in AuditReport._fields))
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise DataError(f"{self.path / SCORES}: cannot be read: {error}") from error


async def write_run(
    out: Path,
    info: Mapping[str, Any],
    outcomes: AsyncIterator[Outcome],
    *,
    judged: Callable[[], Judged] = lambda: NOT_JUDGED,
) -> RunFolder:
    """Write a run's folder; outcomes are streamed.

    A run of the same outcomes as the folder holds already changes nothing, so that running again gives
    the same bytes.

    Args:
        out: The folder.
        info: `run.json`, to which counts are added.
        outcomes: In the order in which they are written.
        judged: What came of the judge; asked when all outcomes are there.

    Raises:
        OutputError: when `out` holds something else, the disk is full, or it cannot be written.
    """
    import pyarrow.parquet as pq

    check_run_target(out, info)
    schema = outcome_schema()
    try:
        with new_folder(out) as folder:
            counts: dict[str, int] = {"correct": 0, "incorrect": 0, "unscored": 0}
            with pq.ParquetWriter(folder / OUTCOMES, schema, compression="zstd") as writer:
                waiting: list[Outcome] = []
                async for outcome in outcomes:
                    counts[outcome.verdict] += 1
                    waiting.append(outcome)
                    if len(waiting) == _ROW_GROUP:
                        writer.write_batch(outcomes_to_batch(waiting, schema))
                        waiting = []
                if waiting or not any(counts.values()):
                    writer.write_batch(outcomes_to_batch(waiting, schema))
            written = RunFolder(folder, info)
            solo, summary = written.solo(), written.summary()
            audit, usage = judged()
            unscored = [asdict(one) for one in summary.unscored]
            scores = {
                "scores": [asdict(cell) for cell in written.cells()],
                "strata": [asdict(cell) for cell in written.strata()],
                "solo": None if solo is None else asdict(solo),
                "verdicts": [asdict(count) for count in written.verdicts()],
                "exactness": summary.exactness,
                "max_tokens": summary.max_tokens,
                "usage": asdict(summary.usage),
                "unscored": unscored,
                "audit": None if audit is None else audit.to_json(),
            }
            _write_json(folder / SCORES, scores)
            cost = {} if usage is None else {"judge_cost": asdict(usage)}
            found = {"exactness": summary.exactness, "outcomes": counts, "unscored": unscored}
            _write_json(folder / RUN, {**info, **cost, **found})
            if _same(folder, out):
                raise _Unchanged  # noqa: TRY301 - what was written is thrown away by it
    except _Unchanged:
        pass
    return read_run(out)


def check_run_target(out: Path, info: Mapping[str, Any]) -> None:
    """See that a run may be written to `out`, before anything is generated for it.

    Raises:
        OutputError: when it holds anything but this run: another model, other rows, other sampling.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / RUN).is_file():
        raise OutputError(f"{out}: exists, and is no run folder: choose another --out")
    there = read_run(out).info
    differ = [
        f"{part}.{key} is {was!r}, not {value!r}"
        for part in _IDENTITY
        for key, value in info[part].items()
        if (was := there.get(part, {}).get(key)) != value and (part != "engine" or key in _ENGINE)
    ]
    if differ:
        raise OutputError(f"{out}: holds another run: {'; '.join(differ)}: choose another --out")


def read_run(path: Path) -> RunFolder:
    """Open a run's folder.

    Raises:
        DataError: when it is none.
    """
    try:
        info = json.loads((path / RUN).read_text(encoding="utf-8"))
        if not isinstance(info, dict) or not isinstance(info.get("model"), dict) or "id" not in info["model"]:
            raise DataError(f"{path / RUN}: names no model: it is no run of offtraj")
        return RunFolder(path, info)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{path}: no run folder: it has no {RUN}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path / RUN}: cannot be read: {error}") from error


class _Unchanged(Exception):
    """What was just written is what is there already."""


def _same(new: Path, old: Path) -> bool:
    """Whether both hold the same outcomes of the same run, whatever time it took."""
    if not all((old / name).is_file() for name in (RUN, OUTCOMES, SCORES)):
        return False
    try:
        infos = [json.loads((folder / RUN).read_text(encoding="utf-8")) for folder in (new, old)]
    except (OSError, ValueError):
        return False
    for info in infos:
        for name in _COST:
            info.pop(name, None)
        engine = info.get("engine") or {}
        info["engine"] = {key: engine[key] for key in _ENGINE if key in engine}
    digests = [[file_sha256(folder / name) for name in (OUTCOMES, SCORES)] for folder in (new, old)]
    return infos[0] == infos[1] and digests[0] == digests[1]


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="")
