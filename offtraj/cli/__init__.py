"""The command line: parse, call, print. Errors become exit codes here, in one place."""

from offtraj.cli.app import main

__all__ = ["main"]
