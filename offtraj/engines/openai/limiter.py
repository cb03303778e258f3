"""The limit on samples in flight: as many as the server processes, with few in its queue. Pure."""

from __future__ import annotations

__all__ = ["Limiter"]

_START = 128
_MOST = 4096
_GAIN = 1.1  # factor in throughput that justifies a larger limit
_SETTLED = 8  # rounds after which a settled limit is increased on trial


class Limiter:
    """A limit that adapts to the server. Times are in seconds, of any one clock.

    Where the server reports the length of its queue, the limit is doubled until requests wait, and lowered until few
    do. Elsewhere it is doubled as long as throughput grows (tokens per second, over as many samples as the limit). A
    refusal or a time-out halves it.
    """

    def __init__(self, most: int | None = None) -> None:
        """The limit never exceeds `most` samples."""
        self._most = most or _MOST
        self.limit = min(_START, self._most)
        self._cut_at = float("-inf")
        self._growing = True
        self._reported = False
        self._best = 0.0
        self._best_limit = self.limit
        self._rounds = 0
        self._begin(None)

    def answered(self, now: float, samples: int, tokens: int) -> None:
        """Record that `samples` samples with `tokens` tokens in all arrived at `now`."""
        if self._since is None:
            self._begin(now)
            return
        self._samples += samples
        self._tokens += tokens
        if self._samples >= self.limit and now > self._since and not self._reported:
            self._round(self._tokens / (now - self._since))
            self._begin(now)

    def queued(self, waiting: int, in_flight: int) -> None:
        """Record that `waiting` of the `in_flight` samples wait in the server's queue."""
        self._reported = True
        if waiting == 0 and in_flight * 10 >= self.limit * 9:
            # Smaller steps after a refusal: it may come from a proxy in front of that queue.
            self._set(self.limit * 2 if self._growing else self.limit + max(1, self.limit // 8))
        elif waiting > in_flight // 4:
            self._set(in_flight - waiting + max(8, waiting // 2))

    def refused(self, now: float, started: float) -> None:
        """Record that a request sent at `started` was refused or timed out."""
        if started > self._cut_at:  # else it was sent under an earlier, higher limit
            self._cut_at = now
            self._growing = False
            self._best = 0.0
            self._rounds = 0
            self._set(self.limit // 2)
            self._begin(now)

    def _round(self, rate: float) -> None:
        if self._growing and rate > self._best * _GAIN:
            self._best, self._best_limit = rate, self.limit
            self._set(self.limit * 2)
        elif self._growing:
            self._growing = False
            self._rounds = 0
            self._set(self._best_limit)
        else:
            self._rounds += 1
            if self._rounds >= _SETTLED:
                self._growing = True
                self._best, self._best_limit = rate, self.limit
                self._set(self.limit + max(1, self.limit // 4))

    def _set(self, limit: int) -> None:
        self.limit = max(1, min(limit, self._most))

    def _begin(self, now: float | None) -> None:
        self._since, self._samples, self._tokens = now, 0, 0
