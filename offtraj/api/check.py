"""Checking a data set: whether its files, rows and verdicts follow from its trajectories and spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offtraj._util.progress import Progress
from offtraj._util.progress_bars import displayed
from offtraj._util.sync import wait_for
from offtraj.api.spec import SpecLike, as_spec
from offtraj.check.result import Checked

if TYPE_CHECKING:
    from offtraj.api.data_folder import DataLike

__all__ = ["Checked", "check", "check_async"]


def check(
    data: DataLike,
    *,
    spec: SpecLike | None = None,
    progress: bool | Progress = True,
) -> Checked:
    """Checks a data set: reads every file, and makes every row again from the trajectories and the spec.

    Texts of models and verdicts of judges are taken as given.

    Args:
        data: A data set, its folder, or `ORG/NAME[@REVISION]` on the Hub.
        spec: The spec at its original place, when models are folders given relative to it; the data set's copy
            by default.
        progress: True shows bars, False nothing; a `Progress` receives the steps.

    Returns:
        The problems, each with its place, and what could not be checked.

    Raises:
        DataError: when there is too little of a data set to check.
        HubError: when it cannot be downloaded.
        SpecError: for a spec that is not valid.
    """
    with displayed(progress) as shown:
        return wait_for(check_async(data, spec=spec, progress=shown))


async def check_async(
    data: DataLike,
    *,
    spec: SpecLike | None = None,
    progress: bool | Progress = True,
) -> Checked:
    """Checks a data set; the awaitable twin of `check`.

    Args:
        data: As in `check`, like all parameters.
        spec: The spec at its original place.
        progress: Display of progress.

    Returns:
        The problems, each with its place, and what could not be checked.

    Raises:
        OfftrajError: as `check` does.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from offtraj.api.data_folder import as_data_folder
    from offtraj.check.check import check as check_data
    from offtraj.grading.domains import find_domain
    from offtraj.grading.opening import open_grader
    from offtraj.store import Store

    folder = as_data_folder(data)
    file = folder.spec if spec is None else as_spec(spec)
    with (
        TemporaryDirectory(prefix="offtraj-check-") as texts,
        displayed(progress) as shown,
        Store(Path(texts) / "texts.sqlite") as store,
    ):
        async with open_grader(find_domain(file.spec.domain), store=store) as grader:
            return await check_data(folder, spec=file, store=store, grader=grader, progress=shown)
