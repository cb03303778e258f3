"""The workspace, as a user meets it: what is sampled again and what is not, damage, full disks, tidying up."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.background import in_background
from support.factories import make_question, make_response, write_jsonl, write_small_benchmark
from support.server import CompletionServer, serving

Run = Callable[..., subprocess.CompletedProcess[str]]

SPEC = """\
name: small
version: 1.0.0
benchmarks:
  - {id: sums, source: {file: questions.jsonl}}
engines:
  one: {kind: openai, base_url: "${ONE}"}
  two: {kind: openai, base_url: "${TWO}"}
models:
  - {id: first, path: first, engine: one}
  - {id: second, path: second, engine: two}
sampling: {samples: 4, temperature: 0.6, max_tokens: 1500}
tests:
  recoverability: {distractors: 3, trajectories: 4, positions: [0, 0.4], subsets: [individual]}
"""


@pytest.fixture
def answers(r1: Path) -> Callable[[list[int], int], str]:
    """A model that thinks and answers, whatever it is asked and however it was steered."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(r1)

    def answer(ids: list[int], seed: int) -> str:
        asked = re.search(r"What is (\d+) \+ 1", tokenizer.decode(ids))
        assert asked is not None
        number = int(asked[1]) // 10
        return make_response(number, 10 * number + 1, sentences=10 + seed % 4).removeprefix("<think>\n")

    return answer


@pytest.fixture
def one(answers: Callable[[list[int], int], str]) -> Iterator[CompletionServer]:
    with in_background(lambda: serving(answers)) as server:
        yield server


@pytest.fixture
def two(answers: Callable[[list[int], int], str]) -> Iterator[CompletionServer]:
    with in_background(lambda: serving(answers)) as server:
        yield server


def write_questions(folder: Path, **changed: str) -> None:
    questions = [make_question(number) for number in range(6)]
    rows = [{"id": q.id, "question": changed.get(q.id, q.text), "answer": q.gold} for q in questions]
    write_jsonl(folder / "questions.jsonl", rows)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def other_weights(folder: Path, last: bytes) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(last)


def test_what_changes_is_sampled_again_and_nothing_else(
    tmp_path: Path, offtraj: Run, r1: Path, one: CompletionServer, two: CompletionServer
) -> None:
    """Questions asked of each model after a change; each request is for all samples of one of the six questions."""
    spec = tmp_path / "spec.yaml"

    def asked_after(*changes: tuple[str, str], weights: bool = False, template: bool = False, **questions: str) -> Any:
        spec.write_text(SPEC)
        for old, new in changes:
            edit(spec, old, new)
        write_questions(tmp_path, **questions)
        for name in ("first", "second"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
            shutil.copytree(r1, tmp_path / name)
        other_weights(tmp_path / "second", b"\x02")
        if weights:
            other_weights(tmp_path / "first", b"\x01")
        if template:
            edit(tmp_path / "first" / "chat_template.jinja", "<think>\n", "<think>\n\n")
        one.requests.clear()
        two.requests.clear()
        shutil.rmtree(tmp_path / "set", ignore_errors=True)
        done = offtraj("build", spec, "--out", "set", ONE=one.base_url, TWO=two.base_url)
        assert done.returncode == 0, done.stderr
        return len(one.requests), len(two.requests)

    assert asked_after() == (6, 6)
    unimportant = [
        ("[0, 0.4]", "[0, 0.2, 0.6]"),
        ("version: 1.0.0", "version: 2.0.0\ndescription: another"),
        ("distractors: 3", "distractors: 2"),
        ("subsets: [individual]", "subsets: [shared]"),
        ("samples: 4", "samples: 3"),
    ]
    assert asked_after(*unimportant) == (0, 0)
    assert asked_after(("samples: 4", "samples: 5")) == (6, 6)
    assert {(request.get("n", 1), request["temperature"]) for request in one.requests} == {(1, 0.6)}  # the fifth alone
    assert asked_after(("0.6, max", "0.7, max")) == (6, 6)
    assert {(request.get("n", 1), request["temperature"]) for request in one.requests} == {(4, 0.7)}
    assert asked_after(("name: small", "name: small\nseed: 1")) == (6, 6)
    assert asked_after(q2="What is 20 + 1, please?") == (1, 1)
    assert asked_after(weights=True) == (6, 0)
    assert asked_after(template=True) == (6, 0)
    assert asked_after() == (0, 0)


def test_a_run_samples_what_a_new_position_adds(
    tmp_path: Path, offtraj: Run, r1: Path, one: CompletionServer, two: CompletionServer
) -> None:
    urls = {"ONE": one.base_url, "TWO": two.base_url}
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    write_questions(tmp_path)
    for name in ("first", "second"):
        shutil.copytree(r1, tmp_path / name)

    def rows_asked() -> tuple[int, int]:
        done = offtraj("build", spec, "--out", "set", **urls)
        assert done.returncode == 0, done.stderr
        one.requests.clear()
        done = offtraj("run", "set", "--model", "first", "--engine", one.base_url, "--out", "run")
        assert done.returncode == 0, done.stderr
        outcomes = json.loads((tmp_path / "run" / "run.json").read_text())["outcomes"]
        return len(one.requests), sum(outcomes.values())

    assert rows_asked() == (8, 8)  # four trajectories at each of two positions
    edit(spec, "[0, 0.4]", "[0, 0.4, 0.8]")
    shutil.rmtree(tmp_path / "set")
    shutil.rmtree(tmp_path / "run")
    assert rows_asked() == (4, 12)


@pytest.fixture
def built(tmp_path: Path, offtraj: Run) -> Path:
    """A workspace with recorded completions."""
    done = offtraj("build", write_small_benchmark(tmp_path), "--out", "set")
    assert done.returncode == 0, done.stderr
    return tmp_path / ".offtraj" / "store.sqlite"


def test_info_says_what_is_kept_and_that_it_is_intact(built: Path, offtraj: Run) -> None:
    done = offtraj("store", "info")
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("weak", "other", "guide", "recorded:", "rule-", "store.sqlite: 0.1 MB on disk, intact"):
        assert part in done.stdout
    said = json.loads(offtraj("store", "info", "--json").stdout)
    assert said["whole"] is True
    assert {entry["model"]: entry["count"] for entry in said["completions"]} == {"weak": 24, "other": 24, "guide": 24}
    assert all(entry["identity"].startswith("recorded:") for entry in said["completions"])


def test_a_damaged_completion_stops_a_build_until_it_is_removed(built: Path, tmp_path: Path, offtraj: Run) -> None:
    before = {file.name: file.read_bytes() for file in (tmp_path / "set").rglob("*.parquet")}
    content = built.read_bytes()
    at = content.index(b"Step 3 of q4 adds")
    built.write_bytes(content[:at] + b"Stop" + content[at + 4 :])
    done = offtraj("build", "spec.yaml", "--out", "set")
    assert done.returncode == 1
    assert re.search(
        r"offtraj: .offtraj/store.sqlite: sample \d of [0-9a-f]{64} is damaged: its checksum differs: `offtraj "
        r"store prune --damaged --workspace .offtraj` removes damaged rows, and the next run makes them again\n$",
        done.stderr,
    )
    info = offtraj("store", "info")
    assert info.returncode == 1
    assert "on disk, damaged" in info.stdout
    assert re.search(r"damaged: completion [0-9a-f]{64}, sample \d\n`offtraj store prune --damaged", info.stderr)
    assert json.loads(offtraj("store", "info", "--json").stdout)["damaged"] == 1
    planned = offtraj("store", "prune", "--damaged", "--dry-run")
    assert "would remove 1 completions (0.0 MB of text) and 0 verdicts" in planned.stdout
    pruned = offtraj("store", "prune", "--damaged")
    assert (pruned.returncode, pruned.stderr) == (0, "")
    assert "removed 1 completions" in pruned.stdout
    done = offtraj("build", "spec.yaml", "--out", "set")
    assert done.returncode == 0, done.stderr
    assert before == {file.name: file.read_bytes() for file in (tmp_path / "set").rglob("*.parquet")}
    assert offtraj("store", "info").returncode == 0


def test_a_broken_file_is_repaired(built: Path, offtraj: Run) -> None:
    os.truncate(built, built.stat().st_size - 8192)
    done = offtraj("build", "spec.yaml", "--out", "set")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    repaired = offtraj("store", "prune", "--damaged")
    assert repaired.returncode == 0, repaired.stderr
    assert re.search(r"was rebuilt from what could be read: [1-9]\d* completions, \d+ verdicts", repaired.stdout)
    assert offtraj("build", "spec.yaml", "--out", "set").returncode == 0


def test_what_is_removed_is_made_anew(built: Path, tmp_path: Path, offtraj: Run) -> None:
    done = offtraj("store", "prune", "--model", "weak", "--model", "other")
    assert done.returncode == 0
    assert "removed 48 completions" in done.stdout
    again = offtraj("build", "spec.yaml", "--out", "set")
    assert again.returncode == 0
    said = json.loads(offtraj("store", "info", "--json").stdout)
    assert sum(entry["count"] for entry in said["completions"]) == 72
    assert "removed 0 completions" in offtraj("store", "prune", "--outdated").stdout
    assert "removed 0 completions" in offtraj("store", "prune", "--older-than", "1").stdout


def test_wrong_usage_is_2_and_makes_nothing(tmp_path: Path, offtraj: Run) -> None:
    for arguments in (["info"], ["prune", "--damaged"]):
        done = offtraj("store", *arguments)
        assert done.returncode == 2
        assert "there is no workspace: give its folder with --workspace" in done.stderr
    assert not (tmp_path / ".offtraj").exists()


def test_prune_wants_a_choice(built: Path, offtraj: Run) -> None:
    done = offtraj("store", "prune")
    assert done.returncode == 2
    assert "nothing is chosen: give --model, --older-than, --outdated or --damaged" in done.stderr
    done = offtraj("store", "prune", "--model", "nobody")
    assert done.returncode == 2
    assert "--model 'nobody': the workspace has no completions of it, only of guide, other, weak" in done.stderr


def test_info_of_a_workspace_in_use_and_prune_that_waits_for_its_end(built: Path, offtraj: Run) -> None:
    script = (
        "import sys; from pathlib import Path; from offtraj.store import Store\n"
        "with Store(Path(sys.argv[1])): print(flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, built], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert offtraj("store", "info").returncode == 0
        done = offtraj("store", "prune", "--model", "weak")
        process.communicate("\n")
    assert done.returncode == 1
    assert "another process uses the workspace: nothing was removed" in done.stderr
    assert offtraj("store", "prune", "--model", "weak").returncode == 0


def test_a_full_disk_stops_a_build_and_with_room_the_same_command_goes_on(tmp_path: Path, offtraj: Run) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1000k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    spec = write_small_benchmark(tmp_path)
    try:
        (disk / "ballast").write_bytes(bytes(900_000))
        done = offtraj("build", spec, "--out", "set", "--workspace", "disk/w")
        assert done.returncode == 1
        assert "disk is full" in done.stderr
        assert "run the same command again: it continues" in done.stderr
        (disk / "ballast").unlink()
        done = offtraj("build", spec, "--out", "set", "--workspace", "disk/w")
        assert done.returncode == 0, done.stderr
        assert offtraj("store", "info", "--workspace", "disk/w").returncode == 0
    finally:
        subprocess.run(["umount", disk], check=True)
