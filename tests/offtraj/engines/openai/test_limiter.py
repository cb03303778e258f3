"""The limiter, against simulated servers."""

from __future__ import annotations

import heapq

import pytest

from offtraj.engines.openai.limiter import Limiter


def simulate(
    limiter: Limiter, *, width: int, most: int | None = None, says: bool = False, samples: int = 20_000
) -> list[int]:
    """Limits over time at a server that works on `width` samples at once, and refuses more than `most`.

    Each sample takes it between 0.8 and 1.2 seconds; the rest waits in its queue.
    """
    now, asked, limits = 0.0, 0, []
    working: list[tuple[float, float]] = []
    queue: list[float] = []
    look = 0.5
    while asked < samples:
        while len(working) + len(queue) < limiter.limit:
            if most is not None and len(working) + len(queue) >= most:
                limiter.refused(now, now)
                break
            queue.append(now)
            asked += 1
        while queue and len(working) < width:
            heapq.heappush(working, (now + 0.8 + 0.4 * ((asked * 7919) % 100) / 100, queue.pop(0)))
        now, _ = heapq.heappop(working)
        limiter.answered(now, 1, 100)
        if says and now > look:
            look = now + 0.5
            limiter.queued(len(queue), len(working) + len(queue))
        limits.append(limiter.limit)
    return limits


@pytest.mark.parametrize("width", [4, 64, 256, 1000])
def test_it_finds_what_a_server_works_on_at_once(width: int) -> None:
    last = simulate(Limiter(), width=width)[-1]
    assert last >= width
    assert last <= max(4 * width, 256)


@pytest.mark.parametrize("width", [4, 64, 256, 1000])
def test_a_server_that_says_how_many_wait_is_believed_at_once(width: int) -> None:
    limits = simulate(Limiter(), width=width, says=True, samples=max(2000, 30 * width))
    assert width <= limits[-1] <= 2 * width + 16


def test_refusals_lower_the_limit_and_it_comes_back() -> None:
    limits = simulate(Limiter(), width=64, most=50)
    assert limits[-1] <= 50 * 1.25
    assert limits[-1] >= 12


def test_one_burst_of_refusals_halves_it_once() -> None:
    limiter = Limiter()
    for at in range(10):
        limiter.refused(10.0 + at / 100, started=9.0)
    assert limiter.limit == 64


def test_after_a_refusal_it_grows_again_where_the_queue_is_empty() -> None:
    limiter = Limiter()
    limiter.queued(0, 128)
    limiter.refused(10.0, started=9.0)
    cut = limiter.limit
    for _ in range(12):
        before = limiter.limit
        limiter.queued(0, before)
        assert before < limiter.limit < 2 * before
    assert limiter.limit > 2 * cut


def test_a_cap_is_kept() -> None:
    assert max(simulate(Limiter(32), width=1000)) == 32
    assert max(simulate(Limiter(32), width=1000, says=True)) == 32
