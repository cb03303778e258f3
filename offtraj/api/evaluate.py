"""Evaluating a model on steered sets: what will be run, and running it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offtraj._util.progress import Progress
from offtraj._util.progress_bars import displayed
from offtraj._util.sync import wait_for
from offtraj.api.spec import SpecFile, SpecLike, as_spec, chosen_judge, store_path

if TYPE_CHECKING:
    from offtraj.api.data_folder import DataFolder, DataLike
    from offtraj.api.run import Run
    from offtraj.evaluate.evaluate import EvaluatedModel, EvaluationSets
    from offtraj.grading.judge.judge import ResolvedJudge

__all__ = ["Evaluation", "evaluate", "evaluate_async", "prepare_async"]

_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Evaluation:
    """What will be run: rows, model, engine, judge and folder; nothing has been sampled."""

    sets: EvaluationSets
    evaluated: EvaluatedModel
    judge: ResolvedJudge | None
    out: Path
    store: Path

    @property
    def model(self) -> str:
        """Id of the evaluated model."""
        return self.evaluated.model.id

    def run(self, *, progress: bool | Progress = True) -> Run:
        """Samples, grades and writes the run.

        Raises:
            OfftrajError: as `evaluate` does.
        """
        with displayed(progress) as shown:
            return wait_for(self.run_async(progress=shown))

    async def run_async(self, *, progress: bool | Progress = True) -> Run:
        """Samples, grades and writes the run; the awaitable twin of `run`.

        Raises:
            OfftrajError: as `evaluate` does.
        """
        from offtraj.api.run import as_run
        from offtraj.evaluate.evaluate import evaluate as run_model
        from offtraj.store import Store

        with displayed(progress) as shown, Store(self.store) as store:
            done = await run_model(
                self.sets, self.evaluated, out=self.out, store=store, resolved_judge=self.judge, progress=shown
            )
        return as_run(done)


def evaluate(
    target: SpecLike | DataLike,
    model: str,
    *,
    built_for: str | None = None,
    engine: str | None = None,
    tests: Sequence[str] = (),
    limit: int | None = None,
    judge: bool | SpecLike = True,
    out: str | os.PathLike[str] | None = None,
    workspace: str | os.PathLike[str] | None = None,
    progress: bool | Progress = True,
) -> Run:
    """Runs a model on steered sets and grades what it writes (paper, section 2); given a spec, builds them first.

    Completions and verdicts are kept in the workspace: an interrupted run continues where it stopped, and what failed
    is tried again by the same call. A failure is an `unscored` outcome, never an incorrect one.

    Args:
        target: A data set (opened, its folder, or `ORG/NAME[@REVISION]`), or a spec, whose data set in
            `data/NAME-VERSION` is built unless it is current.
        model: Id of a model of the spec, a folder, or `ORG/NAME[@REVISION]` on the Hub.
        built_for: Id of the model whose sets are used; by default the model's own, or the only ones.
        engine: Name of an engine of the spec, `transformers`, or the URL of an endpoint; by default what the spec
            declares for the model, else `transformers`.
        tests: Names of the tests; all by default.
        limit: At most this many rows of each set, chosen by hash.
        judge: True for the judge that the data set's spec declares, if any; False for the rule alone; or a spec whose
            judge is used.
        out: The run's folder, which appears or is replaced when it is complete; `runs/NAME-VERSION--MODEL` by default.
        workspace: Folder of the store; `$OFFTRAJ_WORKSPACE` or `.offtraj` by default.
        progress: True shows bars, False nothing; a `Progress` receives the steps.

    Returns:
        The run.

    Raises:
        SpecError: for a spec that is not valid.
        UsageError: for a model, engine, test or judge that is not known, sets that were not built, or a limit
            below 1.
        DataError: for a data set that is missing or incomplete.
        OutputError: when `out` holds something else or cannot be written.
        BuildError: when a spec is given, and no question qualifies for any set.
        EngineError: when the model cannot be loaded or sampled, or did not see the prefix that was sent.
        HubError: when something cannot be downloaded.
        StoreError: when the workspace is damaged, locked or of another version.
    """
    with displayed(progress) as shown:
        return wait_for(
            evaluate_async(
                target,
                model,
                built_for=built_for,
                engine=engine,
                tests=tests,
                limit=limit,
                judge=judge,
                out=out,
                workspace=workspace,
                progress=shown,
            )
        )


async def evaluate_async(
    target: SpecLike | DataLike,
    model: str,
    *,
    built_for: str | None = None,
    engine: str | None = None,
    tests: Sequence[str] = (),
    limit: int | None = None,
    judge: bool | SpecLike = True,
    out: str | os.PathLike[str] | None = None,
    workspace: str | os.PathLike[str] | None = None,
    progress: bool | Progress = True,
) -> Run:
    """Runs a model on steered sets; the awaitable twin of `evaluate`.

    Args:
        target: As in `evaluate`, like all parameters.
        model: The model.
        built_for: The model whose sets are used.
        engine: The engine.
        tests: Names of tests.
        limit: Rows of each set.
        judge: The judge.
        out: The run's folder.
        workspace: Folder of the store.
        progress: Display of progress.

    Returns:
        The run.

    Raises:
        OfftrajError: as `evaluate` does.
    """
    with displayed(progress) as shown:
        ready = await prepare_async(
            target,
            model,
            built_for=built_for,
            engine=engine,
            tests=tests,
            limit=limit,
            judge=judge,
            out=out,
            workspace=workspace,
            progress=shown,
        )
        return await ready.run_async(progress=shown)


async def prepare_async(
    target: SpecLike | DataLike,
    model: str,
    *,
    built_for: str | None = None,
    engine: str | None = None,
    tests: Sequence[str] = (),
    limit: int | None = None,
    judge: bool | SpecLike = True,
    out: str | os.PathLike[str] | None = None,
    workspace: str | os.PathLike[str] | None = None,
    progress: bool | Progress = True,
) -> Evaluation:
    """What `evaluate_async` with the same arguments would run.

    Raises:
        OfftrajError: as `evaluate` does.
    """
    from offtraj._util.limit import check_limit
    from offtraj.api.data_folder import as_data_folder
    from offtraj.build.build import built_dataset
    from offtraj.evaluate.evaluate import choose_sets, find_evaluated_model
    from offtraj.evaluate.run_folder import check_run_folder
    from offtraj.grading.judge.judge import declared_judge
    from offtraj.store import Store

    check_limit(limit)
    source = _source(target)
    if isinstance(source, SpecFile):
        _check_names(source, model, built_for=built_for, tests=tests)
    file = source if isinstance(source, SpecFile) else source.spec
    evaluated = find_evaluated_model(file, model, engine)
    name, spec, store_file = evaluated.model.id, file.spec, store_path(workspace)
    resolved_judge = chosen_judge(judge, declared_judge(file) if judge is True else None)
    folder = Path("runs") / f"{spec.name}-{spec.version}--{name}" if out is None else Path(out)
    check_run_folder(folder)
    if isinstance(source, SpecFile):  # all arguments are checked: a refused one leaves no workspace and no data set
        with displayed(progress) as shown, Store(store_file) as store:
            data = as_data_folder(await built_dataset(source, store=store, model=model, progress=shown))
    else:
        data = source
    sets = choose_sets(data, name, built_for=built_for, tests=tests, limit=limit)
    return Evaluation(sets=sets, evaluated=evaluated, judge=resolved_judge, out=folder, store=store_file)


def _source(target: SpecLike | DataLike) -> SpecFile | DataFolder:
    """The spec or the data set that a target names."""
    from offtraj.api.data_folder import as_data_folder
    from offtraj.dataset.folder import DataFolder as Folder

    if isinstance(target, Folder):
        return as_data_folder(target)
    if isinstance(target, SpecFile) or os.fspath(target).endswith(_YAML):
        return as_spec(target)
    return as_data_folder(target)


def _check_names(file: SpecFile, model: str, *, built_for: str | None, tests: Sequence[str]) -> None:
    """Check the names of models and tests against a spec, before its data set is built.

    Raises:
        UsageError: for a name that it does not declare.
        OutputError: when the folder of its data set holds something else.
    """
    from offtraj.build.build import check_request, default_folder
    from offtraj.errors import UsageError

    models = [declared.id for declared in file.spec.models]
    known = ", ".join(models)
    if model not in models:
        raise UsageError(
            f"--model {model!r}: {file.path} has no such model, but {known}: to score another one, "
            f"`offtraj build {file.path}` and run on the folder"
        )
    if built_for is not None and built_for not in models:
        raise UsageError(f"--on {built_for!r}: {file.path} has no such model, but {known}")
    check_request(file, default_folder(file), tests=tests)
