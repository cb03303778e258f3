"""The list of outcomes in a page: columns of numbers, and each distinct text once."""

from __future__ import annotations

from offtraj.run.outcome import Outcome

__all__ = ["Index"]

_ID = 16  # characters of a row's id: 64 bits tell any rows apart that one page can hold
_REASON = 160
_CODED = (
    "run", "test", "variant", "subsets", "benchmark", "question", "guide", "at", "verdict", "by", "reason", "finish",
    "sent", "limit",
)  # fmt: skip
_PLAIN = ("id", "ratio", "tokens", "solved", "sampled", "reveals")


class Index:
    """Grows by a few words an outcome."""

    def __init__(self) -> None:
        self._codes: dict[str, dict[str | float | None, int]] = {name: {} for name in _CODED}
        self._columns: dict[str, list[object]] = {name: [] for name in (*_CODED, *_PLAIN)}

    def __len__(self) -> int:
        return len(self._columns["id"])

    def add(self, run: int, outcome: Outcome, *, several: bool) -> None:
        """One outcome of run number `run`; `several` says whether the page has others."""
        self._code("run", run)
        self._code("test", outcome.test)
        self._code("variant", outcome.variant)
        self._code("subsets", ", ".join(outcome.subsets))
        self._code("benchmark", outcome.benchmark)
        self._code("question", outcome.question_id)
        self._code("guide", outcome.guide)
        self._code("at", outcome.ratio if outcome.position is None else outcome.position)
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
        """`{"columns": …, "values": …}`: a coded column's numbers point into its values."""
        return {"columns": self._columns, "values": {name: list(codes) for name, codes in self._codes.items()}}

    def _code(self, name: str, value: str | float | None) -> None:
        codes = self._codes[name]
        self._columns[name].append(codes.setdefault(value, len(codes)))
