"""The twin tests on the pocket models and questions that come with the package."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from offtraj._util.packaged import packaged
from offtraj._util.progress import Progress
from offtraj._util.progress_bars import displayed
from offtraj._util.sync import wait_for
from offtraj.api.data_folder import DataFolder, as_data_folder
from offtraj.api.evaluate import evaluate
from offtraj.api.report import Report, report
from offtraj.api.spec import load_spec, store_path

__all__ = ["Quickstart", "quickstart"]


@dataclass(frozen=True)
class Quickstart:
    """The data set, the runs' scores, and the page."""

    data: DataFolder
    report: Report
    page: Path


def quickstart(
    *,
    everyone: bool = False,
    limit: int | None = None,
    workspace: str | os.PathLike[str] | None = None,
    page: Path = Path("report.html"),
    progress: bool | Progress = True,
) -> Quickstart:
    """Builds the data set of the packaged spec, runs each of its models on its own sets, and writes the page.

    Args:
        everyone: Whether all models of the family run, on more questions.
        limit: At most this many questions of each benchmark.
        workspace: Folder of the store; `$OFFTRAJ_WORKSPACE` or `.offtraj` by default.
        page: The page.
        progress: True shows bars, False nothing; a `Progress` receives the steps.

    Raises:
        OfftrajError: as `build`, `evaluate` and `Report.write_html` do.
    """
    from offtraj.build.build import built_dataset
    from offtraj.report.html.page import page_files
    from offtraj.store import Store

    file = load_spec(packaged("quickstart") / ("family.yaml" if everyone else "quickstart.yaml"))

    with displayed(progress) as shown:

        async def built() -> DataFolder:
            with Store(store_path(workspace)) as store:
                return as_data_folder(await built_dataset(file, store=store, limit=limit, progress=shown))

        data = wait_for(built())
        page_files(page)  # refuses what cannot be written, before models run
        runs = [
            evaluate(
                data,
                model.id,
                judge=False,
                out=Path("runs") / f"{data.path.name}--{model.id}",
                workspace=workspace,
                progress=shown,
            )
            for model in file.spec.models
        ]
    scored = report(runs)
    return Quickstart(data, scored, scored.write_html(page))
