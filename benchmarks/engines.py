"""Whether transformers and a real vLLM write the same after the same token ids, greedily, for each shipped model.

    python benchmarks/engines.py [--vllm-python PATH/TO/VENV/bin/python] [MODEL]...

On a CPU, vLLM's environment is the one that `make vllm` makes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from offtraj.engines.kinds import open_engine
from offtraj.model.completion import Completion, Request, SamplingParams
from offtraj.model.model import Model, model_at
from offtraj.spec import EngineSpec, TransformersSpec, VllmSpec

QUICKSTART = Path(__file__).resolve().parents[1] / "specs" / "quickstart"

GREEDY = SamplingParams(temperature=0.0, top_p=1.0, max_tokens=512, seed=0)
VLLM = VllmSpec(
    kind="vllm",
    dtype="float32",
    max_model_len=1024,
    # Seeded requests and chunked prefill do not go together on a CPU.
    options={"enable-chunked-prefill": False, "max-num-batched-tokens": 8192},
    environment={"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
)


async def completions(model: Model, spec: EngineSpec, questions: Sequence[str]) -> list[Completion]:
    """What the engine writes, in the questions' order."""
    assert model.format is not None
    engine = await open_engine(spec, model)
    requests = [
        Request(str(number), str(number), model.format.solo(question), (0,), GREEDY)
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
    parser.add_argument(
        "--vllm-python", type=Path, default=Path(".vllm/bin/python"), help="the interpreter that has vLLM"
    )
    parser.add_argument("--prompts", type=int, default=50)
    arguments = parser.parse_args()
    folder = QUICKSTART
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()[: arguments.prompts]
    questions = [json.loads(line)["question"] for line in lines]
    print("| weights | prompts | same text | first difference |\n| --- | ---: | ---: | --- |")
    for weights in arguments.models or sorted((folder / "models").iterdir()):
        model = model_at(str(weights.resolve()))
        here = TransformersSpec(kind="transformers", batch=50, dtype="float32")
        ours = asyncio.run(completions(model, here, questions))
        there = VLLM.model_copy(update={"python": str(arguments.vllm_python)})
        theirs = asyncio.run(completions(model, there, questions))
        differ = [n for n, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a.text != b.text]
        place = "–" if not differ else f"prompt {differ[0]}: {ours[differ[0]].text!r} / {theirs[differ[0]].text!r}"
        print(f"| {weights.name} | {len(questions)} | {len(questions) - len(differ)} | {place} |", flush=True)


if __name__ == "__main__":
    main()
