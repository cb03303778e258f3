"""A stand-in for the vLLM command that misbehaves on demand, and the real one where it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]

_SERVER = '''
"""Takes the flags of vLLM's server. What it does beside serving stands in WAYS, comma-separated."""
import json, os, signal, subprocess, sys, time
from multiprocessing.shared_memory import SharedMemory
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

here, ways = os.environ["PIDS"], os.environ.get("WAYS", "").split(",")
flags = dict(zip(sys.argv[1:], sys.argv[2:]))
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"


def note(pid):
    with open(here, "a") as file:
        file.write(f"{pid}\\n")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == "Bearer " + os.environ["VLLM_API_KEY"]
        status = 200 if self.path == "/health" or known else 401
        body = json.dumps({"data": [{"id": flags["--served-model-name"]}]}).encode() if known else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


note(os.getpid())
if "shared" in ways:
    memory = SharedMemory(create=True, size=2**16)
    note(int(subprocess.check_output(["pgrep", "-P", str(os.getpid()), "-f", "resource_tracker"])))
    with open(here + ".shared", "w") as file:
        file.write(memory.name)
if "stubborn" in ways:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "family" in ways:
    for session in (False, True):  # a grandchild in our group, and one that has left it
        child = subprocess.Popen([sys.executable, "-c", STUBBORN], start_new_session=session, stdout=subprocess.PIPE)
        child.stdout.readline()
        note(child.pid)
print("INFO 01-01 00:00:00 [model.py:1] Loading weights", flush=True)
for way in ways:
    if way.startswith("says "):
        sys.exit(way.removeprefix("says "))
    if way.startswith("takes "):
        time.sleep(float(way.removeprefix("takes ")))
server = ThreadingHTTPServer((flags["--host"], int(flags["--port"])), Handler)
print("serving", flush=True)
server.serve_forever()
'''


class FakeVllm:
    """An interpreter that starts the stand-in whatever module it is told to, and notes who it started."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        script = folder / "server.py"
        script.write_text(textwrap.dedent(_SERVER))
        self.python = folder / "python"
        self.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        self.python.chmod(0o755)
        self.pids = folder / "pids"

    def environment(self, *ways: str) -> dict[str, str]:
        """For the command: `family` has grandchildren, `stubborn` ignores SIGTERM, `says …` ends with a word."""
        return {"PIDS": str(self.pids), "WAYS": ",".join(ways)}

    def started(self) -> list[int]:
        """Everybody that was started, so far."""
        return [int(pid) for pid in self.pids.read_text().split()] if self.pids.exists() else []


def alive(pids: list[int]) -> list[int]:
    """Those that are there, zombies included."""
    return [pid for pid in pids if psutil.pid_exists(pid)]


def gone(pids: list[int], seconds: float = 30.0) -> bool:
    """Whether all of them are, soon."""
    deadline = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pids)


def vllm_python() -> Path | None:
    """An interpreter that has the real vLLM: OFFTRAJ_VLLM_PYTHON, or what `make vllm` makes."""
    named = os.environ.get("OFFTRAJ_VLLM_PYTHON")
    path = Path(named) if named else ROOT / ".vllm" / "bin" / "python"
    if not path.exists():
        return None
    probe = [str(path), "-P", "-c", "import importlib.util as u, sys; sys.exit(u.find_spec('vllm') is None)"]
    return path if subprocess.run(probe, check=False, capture_output=True).returncode == 0 else None


ENGINE = """{kind: vllm, python: PYTHON, dtype: float32,
    options: {enable-chunked-prefill: false, enforce-eager: true},
    environment: {VLLM_CPU_KVCACHE_SPACE: "1", HF_HUB_OFFLINE: "1"}}"""
"""How a spec declares the real one: seeds and chunked prefill do not go together on a CPU; eager starts soonest."""
