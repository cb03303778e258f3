"""`validate`, `plan` and `schema`: what a spec says, without running it."""

from __future__ import annotations

import typer

from offtraj.cli.options import Spec

__all__ = ["plan", "schema", "validate"]


def validate(spec: Spec) -> None:
    """Check a spec; every problem is shown with its line and column."""
    from offtraj.api.spec import load_spec

    file = load_spec(spec)
    for note in file.notes:
        typer.echo(f"offtraj: {note}", err=True)
    file.check_paths()
    groups = ("benchmark", "model", "guide")
    counts = [(len(getattr(file.spec, f"{group}s")), group) for group in groups]
    declared = ", ".join(f"{count} {group}{'' if count == 1 else 's'}" for count, group in counts)
    typer.echo(
        f"{spec}: fine: {file.spec.name} {file.spec.version}, {declared}, {' and '.join(file.spec.tests.declared())}"
    )


def plan(spec: Spec) -> None:
    """Count the cells, rows, requests, tokens and judge calls of a spec, at most."""
    from offtraj.api.plan import plan as make_plan
    from offtraj.cli.console import show
    from offtraj.cli.tables import plan_table

    show(plan_table(make_plan(spec)))


def schema() -> None:
    """Print the JSON Schema of a spec, for editors."""
    import json

    from offtraj.api.spec import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
