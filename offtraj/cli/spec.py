"""`validate`, `plan` and `schema`: what can be said of a spec without running it."""

from __future__ import annotations

import typer

from offtraj.cli.options import Spec

__all__ = ["plan", "schema", "validate"]


def validate(spec: Spec) -> None:
    """Check a spec; every problem is shown with its line and column."""
    from offtraj.spec import load_spec

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
    """Count the cells, rows, requests, tokens and judge calls that a spec asks for, at most."""
    from offtraj.build.plan import make_plan
    from offtraj.cli.console import show
    from offtraj.cli.tables import plan_table
    from offtraj.spec import load_spec

    show(plan_table(make_plan(load_spec(spec))))


def schema() -> None:
    """Print the JSON Schema of a spec, for editors."""
    import json

    from offtraj.spec import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
