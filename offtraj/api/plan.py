"""What a spec will cost: rows, requests, tokens and judge calls, before anything is run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from offtraj.api.frame import Tabular, html_of, rich_of
from offtraj.api.spec import SpecLike, as_spec
from offtraj.build.plan import Plan as Lines
from offtraj.build.plan import make_plan

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, repr=False)
class Plan(Lines, Tabular):
    """The steps of a spec and their cost. All numbers are upper bounds."""

    def to_arrow(self) -> pa.Table:
        """One row for each step and model: cells, rows, requests, completions, tokens and judge calls."""
        import pyarrow as pa

        return pa.Table.from_pylist([asdict(line) for line in self.lines])

    def __repr__(self) -> str:
        requests = sum(line.requests for line in self.lines)
        tokens = sum(line.tokens for line in self.lines)
        return f"Plan({len(self.lines)} steps, at most {requests:,} requests and {tokens:,} tokens)"

    def _repr_html_(self) -> str:
        """For notebooks: the lines of the plan."""
        return html_of("Plan: at most", [rich_of(self.to_arrow())], {"questions": sum(self.questions.values())})


def plan(spec: SpecLike) -> Plan:
    """Counts what building a spec and running its models will cost, at most; nothing is run.

    How many questions qualify for a test is known only after solo sampling, so every number is an upper bound.

    Args:
        spec: A spec, or its path.

    Returns:
        One line for each step and model. Tokens count prompts and completions together.

    Raises:
        SpecError: for a spec that is not valid.
        UsageError: when the size of a benchmark is neither in the spec nor in a local file.
        DataError: when a local file cannot be read.
    """
    found = make_plan(as_spec(spec))
    return Plan(found.questions, found.lines)
