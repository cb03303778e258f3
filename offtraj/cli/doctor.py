"""`doctor`: whether a model sees exactly the prefix that is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from offtraj.cli.options import Spec

if TYPE_CHECKING:
    from rich.table import Table

    from offtraj import Diagnosis

__all__ = ["doctor"]

Model = Annotated[str, typer.Option("--model", metavar="ID", help="A model or guide of the spec.", show_default=False)]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME|URL", help="An engine of the spec, `transformers`, or an endpoint's URL."),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Write the findings as JSON instead.")]


def doctor(spec: Spec, model: Model, engine: EngineName = None, as_json: AsJSON = False) -> None:
    """Probe a model's template, tokenizer and engine: would runs be exact, and if not, why?"""
    import json

    from offtraj.api.doctor import doctor as examine
    from offtraj.cli.console import show

    found = examine(spec, model, engine=engine)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        show(_table(found))
        ailing = ", ".join(one.check for one in found.ailing)
        if any(one.state != "exact" and not one.needed for one in found.findings):
            typer.echo("In brackets: runs of this spec do not need it.")
        where = f"{found.model} with {found.engine}"
        typer.echo(f"{where}: not exact as it is: {ailing}" if ailing else f"{where}: exact")
    if found.ailing:
        raise typer.Exit(1)


def _table(found: Diagnosis) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("check", "state", "found"):
        table.add_column(name, overflow="fold")
    for one in found.findings:
        state = one.state if one.needed or one.state == "exact" else f"({one.state})"
        table.add_row(one.check, state, Text(one.found))
        if one.remedy:
            table.add_row("", "", Text(f"→ {one.remedy}"))
    return table
