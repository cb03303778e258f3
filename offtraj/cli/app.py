"""The application: its commands, and how errors become messages and exit codes.

Commands import what they need when they run, so that `--help` takes a tenth of a second.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from offtraj import __version__
from offtraj.cli.build import build
from offtraj.cli.check import check
from offtraj.cli.compare import compare
from offtraj.cli.doctor import doctor
from offtraj.cli.quickstart import quickstart
from offtraj.cli.regrade import regrade
from offtraj.cli.report import report
from offtraj.cli.run import run
from offtraj.cli.spec import plan, schema, validate
from offtraj.cli.store import store
from offtraj.cli.train import train
from offtraj.errors import OfftrajError

__all__ = ["app", "main"]

INTERRUPTED = 130
_COLLECT_EVERY = 10_000  # objects; Python's own 700 spends a tenth of a short run on looking through what was imported

app = typer.Typer(
    name="offtraj",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (quickstart, validate, plan, doctor, build, check, run, regrade, report, compare, schema, train):
    app.command()(command)
app.add_typer(store, name="store")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"offtraj {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Test how reasoning models continue trajectories that another model has changed.

    A spec (YAML) says what to build; `build` makes the steered sets, `run` scores a model on them.
    Completions and verdicts are kept in a workspace: an interrupted command continues when it is run again.
    """
    if debug:
        os.environ["OFFTRAJ_DEBUG"] = "1"


def main() -> None:
    """Run the command line and exit with the status of its outcome."""
    gc.set_threshold(_COLLECT_EVERY)
    signals = _Signals()
    try:
        app()
    except OfftrajError as error:
        _explain(str(error), error)
        sys.exit(error.exit_code)
    except Exception as error:
        _explain(f"internal error: {type(error).__name__}: {error} (--debug shows where)", error)
        sys.exit(1)
    except SystemExit as ending:  # typer's own, which an interrupt becomes
        if ending.code != INTERRUPTED:
            raise
        _explain(f"{signals.ended}: run the same command again: it continues", ending)
        sys.exit(signals.exit_code)


class _Signals:
    """Treats SIGTERM and SIGHUP (a scheduler, a container, a closed terminal) like an interrupt, so that work is closed."""

    def __init__(self) -> None:
        self.ended, self.exit_code = "interrupted", INTERRUPTED
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:  # not under nohup
                signal.signal(number, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Call the current handler of SIGINT, which is asyncio's where a loop runs."""
        self.ended, self.exit_code = f"ended by {signal.Signals(number).name}", 128 + number
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # started in the background
            raise KeyboardInterrupt
        interrupt(number, frame)


def _explain(message: str, error: BaseException) -> None:
    if os.environ.get("OFFTRAJ_DEBUG"):
        import traceback

        traceback.print_exception(error)
    for line in message.splitlines():
        typer.echo(f"offtraj: {line}", err=True)
