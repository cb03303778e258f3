"""A run's scores as evaluation results of the Hub: the content of `.eval_results/` in a model's repository.

Each steered configuration is one task, as in `eval.yaml` of the data set, with one number: the mean over positions or
ratios of the default variant on the individual subset. Uploading the file is left to the user.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from offtraj.errors import DataError, OutputError, UsageError
from offtraj.metrics.scores import Cell
from offtraj.metrics.summary import RunSummary
from offtraj.run.record import RUN, RunData, RunRecord
from offtraj_builders.definitions import definition

if TYPE_CHECKING:
    from huggingface_hub import EvalResultEntry

__all__ = ["RunResults", "eval_results", "write_eval_results"]

_FOLDER = ".eval_results"
_VARIANT, _SUBSET = "default", "individual"


class RunResults(Protocol):
    """What is needed of a run, such as an `offtraj.evaluate.scored_run.ScoredRun`."""

    @property
    def path(self) -> Path:
        """The run's folder, for messages."""

    @property
    def record(self) -> RunRecord:
        """Model, data set and time."""

    @property
    def cells(self) -> Sequence[Cell]:
        """The scores."""

    @property
    def summary(self) -> RunSummary:
        """How prompts were sent."""


def eval_results(run: RunResults) -> list[EvalResultEntry]:
    """The results of a run, one for each configuration that it was evaluated on.

    Raises:
        UsageError: when the run does not name a data set on the Hub, is of a part of the rows, or has no score.
    """
    data, repo = run.record.data or RunData(), run.record.repo
    if repo is None:
        remedy = (
            "run again with this version"
            if data.revision
            else "publish the data set and run on ORG/NAME@vVERSION, or declare `publish.repo` in its spec and run again"
        )
        raise UsageError(f"{run.path}: does not say which data set of the Hub it was on: {remedy}")
    if data.limit is not None:
        raise UsageError(
            f"{run.path}: is of {data.limit} rows of each set only, which is no result: run without --limit"
        )
    entries = [_entry(run, cell, data, repo) for cell in _scalars(run)]
    if not entries:
        raise UsageError(f"{run.path}: has no score for the variant {_VARIANT!r} on the subset {_SUBSET!r}")
    return entries


def write_eval_results(target: Path, runs: Sequence[RunResults]) -> list[Path]:
    """Write the results of one model's runs; returns the files.

    Args:
        target: A YAML file, or a folder for `.eval_results/NAME.yaml` of each data set. A file that holds results of
            the same tasks only is replaced.
        runs: Runs of one model.

    Raises:
        UsageError: for runs of several models, a task that two runs score, or as `eval_results` does.
        DataError: when a file exists that holds no evaluation results.
        OutputError: when a file holds results of other tasks, too, or cannot be written.
    """
    from huggingface_hub import eval_result_entries_to_yaml
    from huggingface_hub.utils import yaml_dump  # type: ignore[attr-defined]

    models = list(dict.fromkeys((run.record.model.path, run.record.model.revision) for run in runs))
    if len(models) > 1:
        names = ", ".join(f"{path}@{revision}" for path, revision in models)
        raise UsageError(f"--eval-results: results belong to one model, and these runs are of several models: {names}")
    files: dict[Path, list[EvalResultEntry]] = {}
    for run in runs:
        for entry in eval_results(run):
            there = files.setdefault(_path(target, entry.dataset_id), [])
            if _task(entry) in map(_task, there):
                raise UsageError(
                    f"{run.path}: scores {entry.dataset_id} {entry.task_id}, as another of these runs does"
                )
            there.append(entry)
    for path, entries in files.items():
        _check(path, entries)
    for path, entries in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = yaml_dump(eval_result_entries_to_yaml(entries), sort_keys=False, line_break="\n")
            path.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    return list(files)


def _scalars(run: RunResults) -> Iterator[Cell]:
    for cell in run.cells:
        whole = cell.guide is None and cell.axis_value is None
        if whole and (cell.variant, cell.subset) == (_VARIANT, _SUBSET) and cell.score is not None:
            yield cell


def _entry(run: RunResults, cell: Cell, data: RunData, repo: str) -> EvalResultEntry:
    from huggingface_hub import EvalResultEntry, constants

    configs = [config for config in data.configs or () if config.startswith(f"{cell.test}--")]
    if not configs:
        raise DataError(
            f"{run.path / RUN}: data.configs: expected a configuration of {cell.test}, got {data.configs!r}"
        )
    timing, revision = run.record.timing, data.revision
    return EvalResultEntry(
        dataset_id=repo,
        task_id=configs[0],
        value=cell.score,
        dataset_revision=revision,
        date=(timing and timing.finished) or datetime.now(UTC).date().isoformat(),
        source_url=f"{constants.ENDPOINT}/datasets/{repo}" + (f"/tree/{revision}" if revision else ""),
        source_name=f"offtraj {run.record.offtraj or 'of an unknown version'}",
        notes="; ".join(_notes(run, cell, data)),
    )


def _notes(run: RunResults, cell: Cell, data: RunData) -> Iterator[str]:
    axis_values = definition(cell.test).axis.plural
    yield f"share of right answers, mean over {axis_values}, {cell.variant} variant, {cell.subset} subset"
    yield f"n = {cell.n} on {cell.questions} questions"
    if cell.interval is not None:
        yield f"95 % interval {cell.interval.low:.4f} to {cell.interval.high:.4f}, clustered by question"
    yield f"{cell.unscored} unscored, {cell.truncated} truncated, {cell.no_answer} without an answer"
    if cell.usage.cut_off:
        yield f"{cell.usage.cut_off} of {cell.usage.completions} completions ran out of tokens"
    if run.summary.mark:
        yield run.summary.sent
    judge = run.record.judge
    yield f"graded by {run.record.verifier or 'the rule'}" + (f" and {judge.judge.model}" if judge else "")
    if data.revision is None:
        yield f"run on a local copy of version {data.version}, not fetched from the Hub"


def _path(target: Path, repo: str) -> Path:
    if target.suffix in (".yaml", ".yml"):
        return target
    folder = target if target.name == _FOLDER else target / _FOLDER
    return folder / f"{repo.partition('/')[2]}.yaml"


def _task(entry: EvalResultEntry) -> tuple[str, str]:
    return entry.dataset_id, entry.task_id


def _check(path: Path, entries: Sequence[EvalResultEntry]) -> None:
    """Check that no results of other tasks are overwritten."""
    if not path.exists():
        return
    from huggingface_hub import parse_eval_result_entries
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        there = parse_eval_result_entries(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
        others = [entry for entry in there if _task(entry) not in set(map(_task, entries))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, YAMLError) as error:
        raise DataError(f"{path}: exists, and holds no evaluation results: choose another file") from error
    if others:
        names = ", ".join(f"{entry.dataset_id} {entry.task_id}" for entry in others)
        raise OutputError(f"{path}: holds other results, too, which would be lost: {names}: choose another file")
