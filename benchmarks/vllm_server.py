"""A real vLLM server for benchmarks, which may be told to forget what it has cached."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

START_SECONDS = 600


@contextmanager
def vllm(python: Path, model: Path, log: Path, options: Sequence[str] = ()) -> Iterator[str]:
    """A server of one model; its address, with `/v1`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", model.name,
        "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "1024", "--dtype", "float32",
        # Seeded requests and chunked prefill do not go together on a CPU.
        "--no-enable-chunked-prefill", "--max-num-batched-tokens", "8192", *options,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_SERVER_DEV_MODE": "1",  # its prefix cache can be emptied
        "PYTHONPATH": "",  # its environment is its own
    }
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            address, started = f"http://127.0.0.1:{port}", time.monotonic()
            while not _ready(address):
                if process.poll() is not None or time.monotonic() - started > START_SECONDS:
                    raise SystemExit(f"vLLM did not start: see {log}")
                time.sleep(1)
            yield f"{address}/v1"
        finally:
            process.terminate()
            process.wait()


def forget(address: str) -> None:
    """Empty its prefix cache."""
    with urlopen(Request(f"{address.removesuffix('/v1')}/reset_prefix_cache", method="POST"), timeout=60):
        pass


def metric(address: str, name: str) -> float:
    """The sum of a metric, or, of a name that ends with a quotation mark, the number behind it."""
    with urlopen(f"{address.removesuffix('/v1')}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    if name.endswith('"'):
        return float(next(line for line in lines if name in line).partition(name)[2].partition('"')[0])
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))


def _ready(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=5):
            return True
    except (URLError, OSError):
        return False
