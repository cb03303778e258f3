"""Building a data set from a spec."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from offtraj._util.progress import Progress
from offtraj._util.progress_bars import displayed
from offtraj._util.sync import wait_for
from offtraj.api.spec import SpecLike, as_spec, store_path

if TYPE_CHECKING:
    from offtraj.api.data_folder import DataFolder, DataLike

__all__ = ["build", "build_async"]


def build(
    spec: SpecLike,
    *,
    models: Sequence[str] = (),
    tests: Sequence[str] = (),
    limit: int | None = None,
    out: str | os.PathLike[str] | None = None,
    trajectories: DataLike | None = None,
    workspace: str | os.PathLike[str] | None = None,
    progress: bool | Progress = True,
) -> DataFolder:
    """Builds the steered sets of a spec: samples models solo, grades, selects, cuts and composes (paper, section 2).

    Completions and verdicts are kept in the workspace, so an interrupted build continues where it stopped, and
    building again samples nothing. The same spec and completions give the same bytes.

    Args:
        spec: A spec, or its path.
        models: Ids of the models whose sets are built; all models of the spec by default.
        tests: Names of the tests that are built; all tests of the spec by default.
        limit: At most this many questions of each benchmark.
        out: The folder, which appears or is replaced when it is complete; `data/NAME-VERSION` by default.
        trajectories: A data set whose published solo samples are used instead of sampling those models: a folder,
            `ORG/NAME[@REVISION]`, or an opened one.
        workspace: Folder of the store; `$OFFTRAJ_WORKSPACE` or `.offtraj` by default.
        progress: True shows bars, False nothing; a `Progress` receives the steps.

    Returns:
        The data set.

    Raises:
        SpecError: for a spec that is not valid.
        UsageError: for a model or test that the spec does not declare, or a limit below 1.
        DataError: for questions, recordings or trajectories that cannot be read.
        OutputError: when `out` holds something else or cannot be written.
        BuildError: when no question qualifies for any set.
        EngineError: when a model cannot be loaded or sampled.
        HubError: when something cannot be downloaded.
        StoreError: when the workspace is damaged, locked or of another version.
    """
    with displayed(progress) as shown:
        return wait_for(
            build_async(
                spec,
                models=models,
                tests=tests,
                limit=limit,
                out=out,
                trajectories=trajectories,
                workspace=workspace,
                progress=shown,
            )
        )


async def build_async(
    spec: SpecLike,
    *,
    models: Sequence[str] = (),
    tests: Sequence[str] = (),
    limit: int | None = None,
    out: str | os.PathLike[str] | None = None,
    trajectories: DataLike | None = None,
    workspace: str | os.PathLike[str] | None = None,
    progress: bool | Progress = True,
) -> DataFolder:
    """Builds the steered sets of a spec; the awaitable twin of `build`.

    Args:
        spec: As in `build`, like all parameters.
        models: Ids of models.
        tests: Names of tests.
        limit: Questions of each benchmark.
        out: The folder.
        trajectories: A data set whose solo samples are used.
        workspace: Folder of the store.
        progress: Display of progress.

    Returns:
        The data set.

    Raises:
        OfftrajError: as `build` does.
    """
    from offtraj.api.data_folder import as_data_folder, open_dataset
    from offtraj.build.build import build_dataset, check_request, default_folder
    from offtraj.store import Store

    file = as_spec(spec)
    folder = default_folder(file) if out is None else Path(out)
    check_request(file, folder, models=models, tests=tests, limit=limit)  # before a workspace is made
    published = None if trajectories is None else as_data_folder(trajectories)
    with displayed(progress) as shown, Store(store_path(workspace)) as store:
        await build_dataset(
            file,
            folder,
            models=models,
            tests=tests,
            limit=limit,
            store=store,
            trajectories=published,
            progress=shown,
        )
    return replace(open_dataset(folder), spec=file)  # whose relative paths lead somewhere
