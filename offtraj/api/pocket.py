"""Training the pocket models that the quickstart runs on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from offtraj._util.progress import Progress
from offtraj._util.progress_bars import displayed

__all__ = ["train"]


def train(
    members: Sequence[str] = (),
    *,
    out: Path = Path("models"),
    jobs: int = 2,
    seed: int | None = None,
    progress: bool | Progress = True,
) -> list[Path]:
    """Trains members of the family; an interrupted training continues and ends in the same weights.

    Args:
        members: Their names; all by default.
        out: Folder of their folders.
        jobs: How many are trained at a time, one core each.
        seed: Replaces the seed of the recipes.
        progress: True shows bars, False nothing; a `Progress` receives the steps.

    Returns:
        The folders, one for each member.

    Raises:
        UsageError: for a name that is not a member.
        MissingExtraError: without torch.
        OutputError: when a folder cannot be written.
    """
    from offtraj.studies.pocket.family import choose, train_family

    with displayed(progress) as shown:
        return train_family(choose(members, seed=seed), out, jobs=jobs, progress=shown)
