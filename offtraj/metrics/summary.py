"""Summary of a whole run's outcomes besides scores: how prompts were sent, token usage, and what is unscored.

The sentences for it are here, too, so that terminal, page and tables use the same ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from offtraj.metrics.usage import OutcomeTokens, TokenUsage, token_usage
from offtraj.model.completion import PromptMode
from offtraj.run.outcome import Outcome, may_succeed

__all__ = ["RunCounter", "RunSummary", "Unscored", "summarise_run"]

_EXAMPLES = 3
_ID = 12  # characters of a row's id in messages
_REASON = 160
_REASONS = 50
_SHOWN = 4
_OTHERS = "other reasons"

_SENT: dict[PromptMode, str] = {
    "ids": "as token ids",
    "text": "as text",
    "chat": "as a prefilled chat turn",
    "recorded": "recorded",
}
_MEANS: dict[PromptMode, str] = {
    "text": "the server tokenised it, and may have added tokens in front or split it differently",
    "chat": "the server's chat template rendered it, and may have changed the thinking",
    "recorded": "the prompt that the model saw is not known",
}


@dataclass(frozen=True, slots=True)
class Unscored:
    """Outcomes without a verdict, for one reason."""

    reason: str
    n: int
    rows: tuple[str, ...]
    """Ids of at most three of their rows."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Counts over all outcomes of a run."""

    outcomes: int
    exactness: Mapping[PromptMode, int]
    """Number of prompts by prompt mode, the most frequent first."""
    max_tokens: tuple[int, ...]
    """Limits on the tokens of prompt and completion together; more than one only where outcomes differ in it."""
    usage: TokenUsage
    unscored: tuple[Unscored, ...]
    """By reason, the most frequent first."""

    @property
    def mark(self) -> str:
        """The prompt modes of a run that did not send all prompts as token ids; empty for one that did."""
        return "" if set(self.exactness) <= {"ids"} else ", ".join(self.exactness)

    def marked(self, name: str) -> str:
        """The run's name, followed by its prompt modes unless all prompts were sent as token ids."""
        return f"{name} ({self.mark})" if self.mark else name

    @property
    def sent(self) -> str:
        """How prompts were sent, and what that means for modes other than token ids."""
        counts = ", ".join(
            _SENT[mode] + (f" ({n:,} of {self.outcomes:,})" if len(self.exactness) > 1 else "")
            for mode, n in self.exactness.items()
        )
        means = "; ".join(f"{mode}: {_MEANS[mode]}" for mode in self.exactness if mode in _MEANS)
        if not means:
            return f"prompts: {counts or 'none'}"
        return f"prompts: {counts}, so not known to be exact ({means})"

    @property
    def missing(self) -> str:
        """The number of unscored outcomes, their reasons, an example and the remedy; empty for none."""
        if not self.unscored:
            return ""
        reasons = [f"{_printable(one.reason)} ({one.n:,})" for one in self.unscored[:_SHOWN]]
        more = len(self.unscored) - _SHOWN
        if more > 0:
            reasons.append(f"{more} more {'reasons' if more > 1 else 'reason'} (scores.json has them)")
        total = sum(one.n for one in self.unscored)
        again = sum(one.n for one in self.unscored if may_succeed(one.reason))
        parts = [
            f"unscored: {total:,} of {self.outcomes:,}: {', '.join(reasons)}",
            f"for example row {self.unscored[0].rows[0][:_ID]}",
        ]
        if again:
            parts.append(f"the same command tries {'them' if again == total else f'{again:,} of them'} again")
        return "; ".join(parts)

    @property
    def notes(self) -> list[str]:
        """Prompt mode, token usage and unscored outcomes, one line each."""
        limit = " or ".join(f"{limit:,}" for limit in self.max_tokens)
        usage = f"token usage: {self.usage}" + (f"; the limit is {limit} tokens, prompt included" if limit else "")
        return [line for line in (self.sent, usage, self.missing) if line]


def summarise_run(outcomes: Iterable[Outcome]) -> RunSummary:
    """Counts of a run's outcomes; memory grows by a few words for each outcome."""
    counts = RunCounter()
    for outcome in outcomes:
        counts.add(outcome, OutcomeTokens.of(outcome))
    return counts.summary()


class RunCounter:
    """Counts a run's outcomes, one after the other; memory grows by a few words an outcome."""

    def __init__(self) -> None:
        self._exactness: Counter[PromptMode] = Counter()
        self._limits: set[int] = set()
        self._tokens: list[OutcomeTokens] = []
        self._unscored: dict[str, tuple[int, tuple[str, ...]]] = {}

    def add(self, outcome: Outcome, tokens: OutcomeTokens) -> None:
        """Count one outcome with its token usage."""
        self._exactness[outcome.exactness] += 1
        if outcome.max_tokens is not None:
            self._limits.add(outcome.max_tokens)
        self._tokens.append(tokens)
        if outcome.verdict == "unscored":
            reason = outcome.reason[:_REASON]
            reason = reason if reason in self._unscored or len(self._unscored) < _REASONS else _OTHERS
            n, rows = self._unscored.get(reason, (0, ()))
            self._unscored[reason] = n + 1, (*rows, outcome.row_id) if len(rows) < _EXAMPLES else rows

    def summary(self) -> RunSummary:
        """As `summarise_run` returns it."""
        return RunSummary(
            outcomes=len(self._tokens),
            exactness=dict(sorted(self._exactness.items(), key=lambda item: (-item[1], item[0]))),
            max_tokens=tuple(sorted(self._limits)),
            usage=token_usage(self._tokens),
            unscored=tuple(
                Unscored(reason, n, rows)
                for reason, (n, rows) in sorted(self._unscored.items(), key=lambda item: (-item[1][0], item[0]))
            ),
        )


def _printable(text: str) -> str:
    """A server's message on one line, with control and formatting characters replaced by their code points."""
    return "".join(
        character if character.isprintable() else f"[U+{ord(character):04X}]" for character in text.replace("\n", " ")
    )
