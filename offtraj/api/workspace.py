"""Upkeep of a workspace: what its store holds, and removing part of it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from offtraj.api.spec import store_path
from offtraj.store import Choice, Inspection, Kept, Origin, inspect, prune
from offtraj.store.upkeep import Pruned

__all__ = ["Inspection", "Kept", "Origin", "Pruned", "inspect_workspace", "prune_workspace"]


def inspect_workspace(workspace: str | os.PathLike[str] | None = None) -> Inspection:
    """What a workspace holds, by model and sampling; all of it is read and verified.

    Raises:
        StoreError: when there is no workspace, or it is of another version.
    """
    return inspect(store_path(workspace))


def prune_workspace(
    workspace: str | os.PathLike[str] | None = None,
    *,
    models: Sequence[str] = (),
    older_than: int | None = None,
    outdated: bool = False,
    damaged: bool = False,
    dry_run: bool = False,
) -> Pruned:
    """Removes what all given conditions select, and shrinks the file. No other process may use the workspace.

    Args:
        workspace: Its folder.
        models: Completions of these models.
        older_than: Entries older than this, in days.
        outdated: Completions of a model of which there are newer ones of another revision, and verdicts of other
            versions of the rule.
        damaged: Entries that differ from what was stored.
        dry_run: Count only.

    Raises:
        UsageError: when no condition is given.
        StoreError: when the workspace is in use, or cannot be read.
    """
    from offtraj.grading.domains import DOMAINS

    choice = Choice(tuple(models), older_than, outdated, damaged)
    return prune(
        store_path(workspace), choice, verifiers=[domain.verifier_version() for domain in DOMAINS], dry_run=dry_run
    )
