"""Fixtures that several tests share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.models import make_model

from offtraj.store import Store

ROOT = Path(__file__).parents[1]

# Several workers, and the commands that they start, share the cores: with a thread for each core in each of them, torch
# takes several times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell has them ignored in the background, nohup as well, and children inherit it.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, usual)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with real questions and traces; tests that need it are skipped without."""
    folder = Path(os.environ.get("OFFTRAJ_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "traces").is_dir():
        pytest.skip(f"no real data at {folder}: set OFFTRAJ_DATA")
    return folder


@pytest.fixture(scope="session")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose template leaves the opening of the thinking to it."""
    return make_model(tmp_path_factory.mktemp("qwen3") / "tiny-qwen3", "qwen3")


@pytest.fixture(scope="session")
def r1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose template opens the thinking."""
    return make_model(tmp_path_factory.mktemp("r1") / "tiny-r1", "r1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty workspace."""
    with Store(tmp_path / "workspace" / "store.sqlite") as opened:
        yield opened


@pytest.fixture
def offtraj(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line, started as a user would, in an empty folder."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "offtraj", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run
