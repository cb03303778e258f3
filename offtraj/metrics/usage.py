"""Token usage of outcomes: tokens of completions, the limit on them, and the prefix's share of it. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from offtraj.model.completion import FinishReason
from offtraj.run.outcome import Outcome

__all__ = ["OutcomeTokens", "TokenUsage", "token_usage"]


_ENDS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}  # each string is stored once


class OutcomeTokens(NamedTuple):
    """Token usage of one outcome."""

    sampled: bool
    finish_reason: FinishReason | None
    tokens: int | None
    prefix_share: float | None
    early: bool
    """Whether it ended by `length` before the limit was reached."""

    @classmethod
    def of(cls, outcome: Outcome) -> OutcomeTokens:
        """Token usage of an outcome; its texts are not read."""
        return cls(
            outcome.is_sampled,
            None if outcome.finish_reason is None else _ENDS[outcome.finish_reason],
            outcome.tokens,
            outcome.prefix_share,
            _ended_early(outcome),
        )


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Token usage of a group of outcomes, of any verdict. Prefixes in shares of the limit, not percent."""

    completions: int
    """Number of outcomes with a completion."""
    cut_off: int | None
    """Completions that ended by `length`, that is, ran out of tokens. None where no finish reason is known."""
    cut_early: int
    """Those of them that ended before the limit, because the engine allows fewer tokens than the spec."""
    mean_tokens: float | None
    """Of completions; none where no count is known."""
    median_tokens: float | None
    mean_prefix_share: float | None
    """Prefix tokens as a share of the limit on prompt and completion together; none where it is not known."""
    max_prefix_share: float | None

    @property
    def is_known(self) -> bool:
        """Whether any of it is known; recordings may not contain token counts."""
        return not (self.cut_off is self.mean_tokens is self.mean_prefix_share is None)

    def __str__(self) -> str:
        """One sentence without its full stop."""
        parts = []
        if self.cut_off is not None:
            early = f", {self.cut_early:,} of them before the limit was reached" if self.cut_early else ""
            parts.append(f"{self.cut_off:,} of {self.completions:,} completions ended by length{early}")
        if self.mean_tokens is not None and self.median_tokens is not None:
            parts.append(f"{self.mean_tokens:,.0f} tokens on average, {self.median_tokens:,.0f} in the median")
        if self.mean_prefix_share is not None and self.max_prefix_share is not None:
            mean, most = 100 * self.mean_prefix_share, 100 * self.max_prefix_share
            parts.append(f"prefixes took {mean:.1f} % of the limit on average, {most:.1f} % at most")
        return "; ".join(parts) or "not known"


def token_usage(uses: Sequence[OutcomeTokens]) -> TokenUsage:
    """Token usage of a group of outcomes."""
    sampled = [use for use in uses if use.sampled]
    tokens = [use.tokens for use in sampled if use.tokens is not None]
    shares = [use.prefix_share for use in uses if use.prefix_share is not None]
    ends = [use.finish_reason for use in sampled if use.finish_reason is not None]
    return TokenUsage(
        completions=len(sampled),
        cut_off=ends.count("length") if ends else None,
        cut_early=sum(use.early for use in sampled),
        mean_tokens=float(np.mean(tokens)) if tokens else None,
        median_tokens=float(np.median(tokens)) if tokens else None,
        mean_prefix_share=math.fsum(shares) / len(shares) if shares else None,
        max_prefix_share=max(shares, default=None),
    )


def _ended_early(outcome: Outcome) -> bool:
    """Known only for prompts sent as ids; for others, the server's count of prompt tokens may differ from ours."""
    if outcome.exactness != "ids" or outcome.finish_reason != "length":
        return False
    if outcome.prompt_tokens is None or outcome.tokens is None or outcome.max_tokens is None:
        return False
    return outcome.prompt_tokens + outcome.tokens < outcome.max_tokens
