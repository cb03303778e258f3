"""Grading the completions of a run again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from offtraj._util.progress import Progress
from offtraj._util.progress_bars import displayed
from offtraj._util.sync import wait_for
from offtraj.api.spec import SpecLike, chosen_judge, store_path
from offtraj.evaluate.regrade import Regraded

if TYPE_CHECKING:
    from offtraj.evaluate.run_folder import RunFolder

__all__ = ["Regraded", "regrade", "regrade_async"]


def regrade(
    run: str | os.PathLike[str] | RunFolder,
    *,
    judge: bool | SpecLike = True,
    out: str | os.PathLike[str] | None = None,
    workspace: str | os.PathLike[str] | None = None,
    progress: bool | Progress = True,
) -> Regraded:
    """Grades the completions of a run again, with the rule of this version; nothing is sampled.

    Args:
        run: A run, or its folder.
        judge: True for the judge of the run, if it had one; False for the rule alone; or a spec whose judge is used.
        out: The folder that is written, which may be the run's own; `RUN--regraded` by default.
        workspace: Folder of the store; `$OFFTRAJ_WORKSPACE` or `.offtraj` by default.
        progress: True shows bars, False nothing; a `Progress` receives the steps.

    Returns:
        The new run, the number of outcomes, and how many verdicts changed from what to what.

    Raises:
        DataError: for a folder that is no run, or a run that kept too little to be graded again.
        SpecError: for a judge's spec that is not valid.
        UsageError: for a judge's spec that declares none.
        OutputError: when `out` holds something else or cannot be written.
        EngineError: when the judge cannot be reached.
        StoreError: when the workspace is damaged, locked or of another version.
    """
    with displayed(progress) as shown:
        return wait_for(regrade_async(run, judge=judge, out=out, workspace=workspace, progress=shown))


async def regrade_async(
    run: str | os.PathLike[str] | RunFolder,
    *,
    judge: bool | SpecLike = True,
    out: str | os.PathLike[str] | None = None,
    workspace: str | os.PathLike[str] | None = None,
    progress: bool | Progress = True,
) -> Regraded:
    """Grades the completions of a run again; the awaitable twin of `regrade`.

    Args:
        run: As in `regrade`, like all parameters.
        judge: The judge.
        out: The folder that is written.
        workspace: Folder of the store.
        progress: Display of progress.

    Returns:
        The new run and the changed verdicts.

    Raises:
        OfftrajError: as `regrade` does.
    """
    from offtraj.api.run import as_run, open_run
    from offtraj.evaluate.regrade import judge_of_run
    from offtraj.evaluate.regrade import regrade as grade_again
    from offtraj.evaluate.run_folder import RunFolder, check_run_folder
    from offtraj.store import Store

    there = run if isinstance(run, RunFolder) else open_run(run)
    resolved_judge = chosen_judge(judge, judge_of_run(there) if judge is True else None)
    folder = there.path.with_name(f"{there.path.name}--regraded") if out is None else Path(out)
    check_run_folder(folder)
    with displayed(progress) as shown, Store(store_path(workspace)) as store:
        done = await grade_again(there, out=folder, store=store, resolved_judge=resolved_judge, progress=shown)
    return replace(done, run=as_run(done.run))
