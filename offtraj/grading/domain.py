"""What a domain is: its name, its references, and its grader.

A domain is one value of `Domain`, written in the package of its grader and listed in `domains`. Nothing else
spells its name, apart from the spec's list of accepted values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offtraj._util.records import Record
from offtraj.grading.reference import Reference
from offtraj.spec import QuestionColumns

if TYPE_CHECKING:
    from offtraj.grading.grader import Grader
    from offtraj.grading.judge.audit import Audit
    from offtraj.grading.judge.judge import Judge
    from offtraj.store import Store

__all__ = ["Domain"]


@dataclass(frozen=True)
class Domain:
    """One domain of questions.

    The self-check of a gold answer and the search for where reasoning reveals it need the domain's verifier: they
    are methods of its opened grader (`Grader.verifies`, `Grader.statements`).
    """

    name: str
    """The value of `domain` in a spec and in a manifest."""
    task_categories: tuple[str, ...]
    """Task categories of its data sets on the Hub."""
    read_reference: Callable[[Record, QuestionColumns], Reference | None]
    """The reference in a record of a benchmark; `None` where there is none. Raises `DataError`."""
    published_reference: Callable[[Mapping[str, object]], Reference]
    """The reference in a row of a published table or of a run's outcomes. Raises `DataError`."""
    verifier_version: Callable[[], str]
    """Version of its verifier, under which verdicts are kept in a store."""
    make_grader: Callable[[Store, Judge | None, Audit | None], Grader]
    """A grader that keeps verdicts in the store. `open_grader` also closes it."""
