"""`build --push`: a data set folder is published on the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from offtraj.api.publish import Destination

__all__ = ["DryRun", "Private", "Proposed", "Push", "Revision", "publish", "refuse_without_push"]

Push = Annotated[bool, typer.Option("--push", help="Publish it on the Hub: one commit, then the tag vVERSION.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="With --push: build, and show what would change on the Hub.")]
Revision = Annotated[
    str, typer.Option("--revision", metavar="BRANCH", help="Branch to publish on; only main gets the tag.")
]
Proposed = Annotated[bool, typer.Option("--pr", help="Open a pull request, where you have no write access.")]
Private = Annotated[bool, typer.Option("--private", help="Create the repository as private, if it does not exist.")]


def refuse_without_push(options: Mapping[str, bool]) -> None:
    """Refuse options that have no effect without `--push`.

    Args:
        options: Names of the options, and whether each was given.

    Raises:
        UsageError: naming the first that was given.
    """
    from offtraj.errors import UsageError

    for name, given in options.items():
        if given:
            raise UsageError(f"{name}: has no effect without --push")


def publish(folder: Path, to: Destination, *, dry_run: bool) -> None:
    """Publish a folder and print what was done, or print what that would change."""
    from offtraj.api.publish import plan_push, push
    from offtraj.cli.console import show
    from offtraj.cli.tables import push_table

    if dry_run:
        plan = plan_push(folder, to)
        show(push_table(plan))
        if plan.done:
            typer.echo(f"{to.repo}: holds {plan.tag} already, with this content: nothing to do")
            return
        changed = [change for change in plan.changes if change.kind != "same"]
        size = sum(change.bytes for change in changed if change.kind != "deleted")
        where = "a new repository" if not plan.exists else f"{to.branch} ({plan.head or 'a new branch'})"
        how = "a pull request" if to.pull_request else "one commit" if plan.moves else "no commit"
        tag = f", then the tag {plan.tag}" if to.branch == "main" and not to.pull_request else ""
        typer.echo(f"{to.repo}: would change {len(changed)} files ({size:,} bytes) of {where} in {how}{tag}")
        return
    done = push(folder, to)
    if done.plan.done:
        typer.echo(f"{done.url}: there already, with this content: nothing to do")
    elif to.pull_request:
        typer.echo(f"{done.url}: proposed; once it is merged, run the same command without --pr to tag {done.plan.tag}")
    else:
        typer.echo(f"{done.url}: {done.plan.tag if done.tagged else to.branch} is commit {done.commit}")
