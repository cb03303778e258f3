"""A build and a run that are killed at any moment go on: nothing is asked for twice, and the same comes of it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.background import in_background
from support.disturbed import answering, results, write_disturbed
from support.kills import asked_twice, kill_until_done, undisturbed
from support.proxy import at_random, proxying
from support.server import serving

OPTIONS: dict[str, Any] = {"timeout": 2.0, "max_retries": 8, "max_wait": 20.0, "concurrency": 32}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_any_moment_it_goes_on_to_the_same_end(tmp_path: Path, r1: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    for one in (whole, folder):
        write_disturbed(one, r1, **OPTIONS)
    with in_background(lambda: serving(answering())) as server:
        with in_background(lambda: proxying(server.base_url)) as proxy:
            normal = undisturbed(whole, proxy)
        with in_background(lambda: proxying(server.base_url, plan=at_random(1, 0.1), latency=0.1)) as proxy:
            became = kill_until_done(folder, proxy, Random(2), normal, most=8)
            twice = asked_twice(proxy, became.kills)
    assert len(became.kills) >= 5
    assert any(kill.stored for kill in became.kills)
    assert twice == []
    assert results(folder) == results(whole)
    assert not list(folder.glob("*/.*unfinished*"))
