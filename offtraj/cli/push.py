"""`build --push`: a data set folder is published on the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from offtraj.hub.push import Destination
    from offtraj.spec import SpecFile

__all__ = ["DryRun", "Private", "Proposed", "Push", "Revision", "check_push", "publish"]

Push = Annotated[bool, typer.Option("--push", help="Publish it on the Hub: one commit, then the tag vVERSION.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="With --push: build, and say what would change on the Hub.")]
Revision = Annotated[
    str, typer.Option("--revision", metavar="BRANCH", help="Branch to publish on; only main gets the tag.")
]
Proposed = Annotated[bool, typer.Option("--pr", help="Open a pull request, for those who may not write there.")]
Private = Annotated[bool, typer.Option("--private", help="Of a repository that does not exist yet.")]


def check_push(file: SpecFile, to: Destination, *, push: bool, dry_run: bool, partial: bool) -> None:
    """See that what is asked for can be published, before anything is built for it.

    Raises:
        UsageError: for options that do nothing, no repository, or a part of a set under the whole's version.
    """
    from offtraj.errors import UsageError

    version = file.spec.version
    if not push:
        options = {
            "--dry-run": dry_run,
            "--pr": to.pull_request,
            "--private": to.private,
            "--revision": to.branch != "main",
        }
        for name, given in options.items():
            if given:
                raise UsageError(f"{name}: has no effect without --push")
        return
    if not to.repo:
        raise UsageError(f"--push: {file.path} does not say where to: add `publish: {{repo: ORG/NAME}}`")
    if to.pull_request and to.branch != "main":
        raise UsageError("--pr: proposes a change of main: leave out --revision")
    if partial and "-" not in version:
        raise UsageError(
            f"--push: this is only a part of {file.spec.name} {version}: leave out --model, --test and --limit, "
            f"or give the part a version of its own in the spec, such as {version}-try"
        )


def publish(folder: Path, to: Destination, *, dry_run: bool) -> None:
    """Push a folder, or say what that would do."""
    from offtraj.cli.console import show
    from offtraj.cli.tables import push_table
    from offtraj.hub.push import plan_push, push

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
