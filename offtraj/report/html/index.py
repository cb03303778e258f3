"""The list of outcomes in a page: columns of numbers, with each distinct text stored once."""

from __future__ import annotations

from offtraj.run.outcome import Outcome

__all__ = ["Index"]

_ID = 16  # characters of a row's id: 64 bits: enough for all rows of one page
_REASON = 160
_CODED = (
    "run", "test", "variant", "subsets", "benchmark", "question", "guide", "at", "verdict", "by", "reason", "finish",
    "sent", "limit",
)  # fmt: skip
_PLAIN = ("id", "ratio", "tokens", "solved", "sampled", "reveals")


class Index:
    """Columns of outcomes; memory grows by a few words for each."""

    def __init__(self) -> None:
        self.axes: dict[str, str] = {}
        """For each test the axis of its outcomes, `position` or `ratio`."""
        self._codes: dict[str, dict[str | float | None, int]] = {name: {} for name in _CODED}
        self._columns: dict[str, list[object]] = {name: [] for name in (*_CODED, *_PLAIN)}

    def __len__(self) -> int:
        return len(self._columns["id"])

    def add(self, run: int, outcome: Outcome, *, several: bool) -> None:
        """Add an outcome of run number `run`; `several` tells whether the page has other runs."""
        self.axes.setdefault(outcome.test, "ratio" if outcome.position is None else "position")
        self._code("run", run)
        self._code("test", outcome.test)
        self._code("variant", outcome.variant)
        self._code("subsets", ", ".join(outcome.subsets))
        self._code("benchmark", outcome.benchmark)
        self._code("question", outcome.question_id)
        self._code("guide", outcome.guide)
        self._code("at", outcome.axis_value)
        self._code("verdict", outcome.verdict)
        self._code("by", outcome.decided_by)
        self._code("reason", outcome.reason[:_REASON])
        self._code("finish", outcome.finish_reason)
        self._code("sent", outcome.exactness)
        self._code("limit", outcome.max_tokens)
        sample = f".{outcome.sample}" if outcome.sample else ""
        self._columns["id"].append(outcome.row_id[:_ID] + sample + (f"@{run}" if several else ""))
        self._columns["ratio"].append(outcome.ratio)
        self._columns["tokens"].append(outcome.tokens)
        self._columns["solved"].append(outcome.solved)
        self._columns["sampled"].append(outcome.sampled)
        self._columns["reveals"].append(int(outcome.reveals_answer))

    def to_json(self) -> dict[str, object]:
        """`{"axes": …, "columns": …, "values": …}`: numbers of a coded column are indices into its values."""
        values = {name: list(codes) for name, codes in self._codes.items()}
        return {"axes": self.axes, "columns": self._columns, "values": values}

    def _code(self, name: str, value: str | float | None) -> None:
        codes = self._codes[name]
        self._columns[name].append(codes.setdefault(value, len(codes)))
