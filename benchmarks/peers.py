"""Other harnesses, and offtraj, each in a virtual environment of its own, put to the same questions.

What a client costs is measured over the whole process, from its start to its end, by a few lines that run in its
interpreter. Every harness does what it does by default beside asking: reading questions, scoring, logs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PINS = {
    "offtraj": [str(ROOT)],
    "lm_eval": ["lm_eval[api]==0.4.13"],
    "lm_eval_tokens": ["lm_eval[api]==0.4.13", "transformers==5.23.0"],
    "inspect_ai": ["inspect_ai==0.3.285", "openai==3.52.0"],
}
AT_ONCE = 64  # requests that a peer may have in flight; its default is one, or ten

MEASURED = """
import atexit, json, resource, runpy, sys
out, module, sys.argv = sys.argv[1], sys.argv[2], sys.argv[2:]
def tell():
    found = {}
    for name, who in (("process", resource.RUSAGE_SELF), ("children", resource.RUSAGE_CHILDREN)):
        used = resource.getrusage(who)
        found[name] = used.ru_utime + used.ru_stime
    status = open("/proc/self/status").read()
    found["peak_mb"] = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    json.dump(found, open(out, "w"))
atexit.register(tell)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""

TASK = """\
task: loopback
dataset_path: json
dataset_kwargs: {{data_files: {{test: {questions}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{input}}}}"
doc_to_target: "{{{{target}}}}"
generation_kwargs: {{until: [], max_gen_toks: 4096, temperature: 0.6, do_sample: true}}
filter_list:
  - name: boxed
    filter: [{{function: regex, regex_pattern: 'boxed\\{{(.*)\\}}'}}, {{function: take_first}}]
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1}}
"""

INSPECT = """\
from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import pattern
from inspect_ai.solver import generate

@task
def loopback():
    return Task(dataset=json_dataset({questions!r}), solver=generate(), scorer=pattern(r"boxed\\{{(.*)\\}}"))
"""


class Cost(NamedTuple):
    """What a process took."""

    process: float
    """Seconds of processor time, its own."""
    children: float
    """The same, of the processes that it started."""
    peak_mb: float
    """Of its own memory (VmHWM)."""


def install(name: str, folder: Path) -> Path:
    """The interpreter of a peer's environment; made when it is not there, or has other pins. Ours is always installed again.

    Raises:
        subprocess.CalledProcessError: when pip cannot install it; pip says why.
    """
    place, pins = folder / name, " ".join(PINS[name])
    python, complete = place / "bin" / "python", place / ".complete"
    pip = [str(python), "-m", "pip", "install", "-qq"]
    if not complete.exists() or complete.read_text() != pins:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        subprocess.run([*pip, *PINS[name]], check=True)
        complete.write_text(pins)
    elif name == "offtraj":
        subprocess.run([*pip, "--no-deps", "--force-reinstall", str(ROOT)], check=True)
    return python


def measure(python: Path, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run a module with its arguments in a folder, and what it took.

    Raises:
        SystemExit: when it fails.
    """
    out = folder / "cost.json"
    out.unlink(missing_ok=True)
    # What is installed is measured, and not this checkout.
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(python), "-c", MEASURED, str(out), *arguments],
        check=False,
        cwd=folder,
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode or not out.exists():
        raise SystemExit(f"{' '.join(arguments)}: ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return Cost(**json.loads(out.read_text()))


def lm_eval(
    folder: Path, questions: Path, address: str, tokenizer: Path | None, limit: int
) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of lm-evaluation-harness: as token ids where it is given a tokenizer, else as text."""
    (folder / "task").mkdir(exist_ok=True)
    (folder / "task" / "loopback.yaml").write_text(TASK.format(questions=questions))
    how = "tokenizer_backend=none,tokenized_requests=False"
    if tokenizer is not None:
        how = f"tokenizer={tokenizer},tokenizer_backend=huggingface,tokenized_requests=True"
    arguments = [
        "lm_eval", "run", "--model", "local-completions", "--tasks", "loopback", "--include_path", str(folder / "task"),
        "--model_args", f"model=sturdy,base_url={address}/completions,{how},num_concurrent={AT_ONCE},max_length=32768",
        "--limit", str(limit), "--output_path", str(folder / "lm_eval"), "--log_samples",
    ]  # fmt: skip
    return arguments, {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}


def inspect_ai(folder: Path, questions: Path, address: str, limit: int) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of inspect_ai, which asks for chat completions."""
    (folder / "loopback.py").write_text(INSPECT.format(questions=str(questions)))
    arguments = [
        "inspect_ai", "eval", "loopback.py", "--model", "openai-api/loopback/sturdy", "--limit", str(limit),
        "--max-connections", str(AT_ONCE), "--display", "none", "--log-dir", str(folder / "inspect"),
    ]  # fmt: skip
    return arguments, {"LOOPBACK_API_KEY": "none", "LOOPBACK_BASE_URL": address}  # pragma: allowlist secret
