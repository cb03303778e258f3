"""How many samples a server is asked for at once: as many as it works on, and few that wait. Pure."""

from __future__ import annotations

__all__ = ["Limiter"]

_START = 128
_MOST = 4096
_GAIN = 1.1  # by how much a larger limit has to speed things up
_SETTLED = 8  # rounds after which a settled limit is tried a little higher


class Limiter:
    """Adapts to what the server says or shows; times are in seconds, of any one clock.

    Where the server says how many requests wait in its queue, the limit is doubled until some do, and lowered until
    few do. Where it does not, a limit is doubled as long as that makes the server faster (tokens a second, over as many
    samples as the limit). What it refuses, or is too slow for, halves the limit.
    """

    def __init__(self, most: int | None = None) -> None:
        """Never more than `most` samples."""
        self._most = most or _MOST
        self.limit = min(_START, self._most)
        self._cut_at = float("-inf")
        self._growing = True
        self._told = False
        self._best = 0.0
        self._best_limit = self.limit
        self._rounds = 0
        self._begin(None)

    def answered(self, now: float, samples: int, tokens: int) -> None:
        """So many samples arrived, of so many tokens together."""
        if self._since is None:
            self._begin(now)
            return
        self._samples += samples
        self._tokens += tokens
        if self._samples >= self.limit and now > self._since and not self._told:
            self._round(self._tokens / (now - self._since))
            self._begin(now)

    def queued(self, waiting: int, in_flight: int) -> None:
        """The server says that so many of the `in_flight` samples wait in its queue."""
        self._told = True
        if waiting == 0 and in_flight * 10 >= self.limit * 9:
            # After a refusal more carefully: whoever refused may be somebody in front of that queue.
            self._set(self.limit * 2 if self._growing else self.limit + max(1, self.limit // 8))
        elif waiting > in_flight // 4:
            self._set(in_flight - waiting + max(8, waiting // 2))

    def refused(self, now: float, started: float) -> None:
        """A request that was sent at `started` was refused, or not answered in time."""
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
