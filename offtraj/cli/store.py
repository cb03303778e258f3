"""`store`: what a workspace holds, whether it is intact, and removing part of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offtraj.cli.options import AsJSON, Workspace

if TYPE_CHECKING:
    from rich.table import Table

    from offtraj.api.workspace import Inspection, Kept, Origin

__all__ = ["store"]

store = typer.Typer(
    help="Inspect a workspace: what it holds, whether it is intact, and removing part of it.", no_args_is_help=True
)

Model = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="ID", help="Completions of this model; may be repeated.", show_default=False),
]
OlderThan = Annotated[
    int | None,
    typer.Option("--older-than", min=0, metavar="DAYS", help="Stored more than DAYS days ago.", show_default=False),
]
Outdated = Annotated[
    bool,
    typer.Option(
        "--outdated",
        help="Completions of a model of which there are newer ones of another revision, and verdicts of other "
        "verifiers than today's.",
    ),
]
Damaged = Annotated[bool, typer.Option("--damaged", help="Entries that differ from what was stored.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be removed, and remove nothing.")]


@store.command()
def info(workspace: Workspace = Path(".offtraj"), as_json: AsJSON = False) -> None:
    """Show what the workspace holds, by model, and verify all of it; the exit code is 1 when anything is damaged."""
    from offtraj.api.workspace import inspect_workspace
    from offtraj.cli.console import show

    found = inspect_workspace(workspace)
    if as_json:
        typer.echo(json.dumps(_described(found), indent=2, ensure_ascii=False))
    else:
        show(_completions(found), _verdicts(found))
        state = "intact" if found.whole else "damaged"
        typer.echo(f"{found.path}: {_megabytes(found.bytes)} on disk, {state}")
    for line in [*found.problems, *found.named]:
        typer.echo(f"damaged: {line}", err=True)
    if found.damaged > len(found.named):
        typer.echo(f"and {found.damaged - len(found.named):,} more", err=True)
    if not found.whole:
        typer.echo(
            f"`offtraj store prune --damaged --workspace {workspace}` removes damaged rows, and the next run makes "
            "them again",
            err=True,
        )
        raise typer.Exit(1)


@store.command()
def prune(
    model: Model = None,
    older_than: OlderThan = None,
    outdated: Outdated = False,
    damaged: Damaged = False,
    dry_run: DryRun = False,
    workspace: Workspace = Path(".offtraj"),
) -> None:
    """Remove what all given options select, and shrink the file. No other process may use the workspace."""
    from offtraj.api.spec import store_path
    from offtraj.api.workspace import prune_workspace

    done = prune_workspace(
        workspace, models=model or (), older_than=older_than, outdated=outdated, damaged=damaged, dry_run=dry_run
    )
    if done.salvaged is not None:
        typer.echo(
            f"the file was broken, and was rebuilt from what could be read: {done.salvaged.completions:,} completions, "
            f"{done.salvaged.verdicts:,} verdicts"
        )
    else:
        typer.echo(
            f"{'would remove' if dry_run else 'removed'} {done.completions:,} completions "
            f"({_megabytes(done.bytes)} of text) and {done.verdicts:,} verdicts"
        )
    if not dry_run:
        typer.echo(f"{store_path(workspace)}: {_megabytes(done.before)} before, {_megabytes(done.after)} now")
    if done.not_shrunk:
        typer.echo(f"the file could not be made smaller ({done.not_shrunk}); the free space is reused", err=True)


def _completions(found: Inspection) -> Table:
    table = _table("Completions", "model", "revision", "sampling")
    ordered = sorted(found.completions.items(), key=lambda item: (item[0] or ("", "", ""), item[1].last))
    for origin, kept in ordered:
        if origin is None:
            names = ("not known: stored by an earlier version", "", "")
        else:
            how = ", ".join(f"{name} {value}" for name, value in _sampling(origin).items())
            names = (origin.model, _short(origin.identity), how)
        table.add_row(*names, *_figures(kept))
    return table


def _sampling(origin: Origin) -> dict[str, Any]:
    try:
        return dict(json.loads(origin.sampling))
    except ValueError:  # descriptions of completions may be damaged, too
        return {"not readable": origin.sampling}


def _verdicts(found: Inspection) -> Table:
    table = _table("Verdicts", "verifier")
    for verifier, kept in sorted(found.verdicts.items(), key=lambda item: item[0] or ""):
        table.add_row(verifier or "not known: stored by an earlier version", *_figures(kept))
    return table


def _table(title: str, *names: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name)
    for figure in ("n", "text", "first", "last"):
        table.add_column(figure, justify="right")
    return table


def _figures(kept: Kept) -> tuple[str, ...]:
    return f"{kept.count:,}", _megabytes(kept.bytes), kept.first, kept.last


def _short(identity: str) -> str:
    """The identity with each hash shortened to its first 12 digits."""
    import re

    return re.sub(r"[0-9a-f]{40,}", lambda found: found[0][:12], identity)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _described(found: Inspection) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "bytes": found.bytes,
        "completions": [
            {
                "model": origin and origin.model,
                "identity": origin and origin.identity,
                "sampling": origin and _sampling(origin),
                **asdict(kept),
            }
            for origin, kept in found.completions.items()
        ],
        "verdicts": [{"verifier": verifier, **asdict(kept)} for verifier, kept in found.verdicts.items()],
        "whole": found.whole,
        "damaged": found.damaged,
        "named": found.named,
        "problems": found.problems,
    }
