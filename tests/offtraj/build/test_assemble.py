"""From a spec to a data set folder, as a user would."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
from support.background import in_background, killed
from support.factories import SPEC, make_question, make_response, write_jsonl, write_small_benchmark
from support.server import serving

Run = Callable[..., subprocess.CompletedProcess[str]]


def digest(folder: Path) -> dict[str, str]:
    """Every file's bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write_small_benchmark(tmp_path)


def test_a_build_gives_the_folder_of_the_design(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    done = offtraj("build", spec, "--out", "set")
    assert done.returncode == 0, done.stderr
    assert set(digest(tmp_path / "set")) == {
        "README.md",
        "offtraj.json",
        "spec.yaml",
        "questions/test-00000-of-00001.parquet",
        *(
            f"{test}--{model}/test-00000-of-00001.parquet"
            for test in ("recoverability", "guidability")
            for model in ("weak",)
        ),
        "recoverability--other/test-00000-of-00001.parquet",
        "guidability--other/test-00000-of-00001.parquet",
        *(f"trajectories--{model}/train-00000-of-00001.parquet" for model in ("weak", "other", "guide")),
    }
    assert (tmp_path / "set" / "spec.yaml").read_text() == SPEC
    assert "Kept and dropped" in done.stdout


def test_datasets_loads_every_configuration(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    offtraj("build", spec, "--out", "set")
    manifest = json.loads((tmp_path / "set" / "offtraj.json").read_text())
    folder, cache = str(tmp_path / "set"), str(tmp_path / "cache")
    assert datasets.get_dataset_config_names(folder) == [*dict.fromkeys(file["config"] for file in manifest["files"])]
    for file in manifest["files"]:
        split = "train" if file["config"].startswith("trajectories") else "test"
        loaded = datasets.load_dataset(folder, file["config"], split=split, cache_dir=cache)
        assert len(loaded) == file["rows"]
    rows = datasets.load_dataset(folder, "recoverability--weak", split="test", cache_dir=cache)
    assert all(row["prefix"] == "".join(s["text"] for s in row["segments"]) for row in rows)
    trajectories = datasets.load_dataset(folder, "trajectories--weak", split="train", cache_dir=cache)
    traces = [json.loads(line) for line in (tmp_path / "traces.jsonl").read_text().splitlines()]
    recorded = {(t["question_id"], t["sample"]): t["response"] for t in traces if t["model"] == "Weak"}
    for row in trajectories:
        assert (
            "".join(row[piece] for piece in ("opening", "thinking", "closing", "answer"))
            == recorded[row["question_id"], row["sample"]]
        )
    questions = datasets.load_dataset(folder, "questions", split="test", cache_dir=cache)
    assert {q["id"]: q["shared"] for q in questions} == {
        "q0": [], "q1": [], "q2": [], "q3": ["recoverability"], "q4": ["recoverability"], "q5": ["recoverability"],
    }  # fmt: skip
    assert questions[2]["solve_rates"] == [
        {"model": "weak", "solved": 3, "sampled": 4},
        {"model": "other", "solved": 4, "sampled": 4},
        {"model": "guide", "solved": 4, "sampled": 4},
    ]


def test_the_same_inputs_give_the_same_bytes(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    for out, workspace in (("one", "a"), ("two", "a"), ("three", "b")):
        done = offtraj("build", spec, "--out", out, "--workspace", workspace, PYTHONHASHSEED=str(len(out)))
        assert done.returncode == 0, done.stderr
    assert digest(tmp_path / "one") == digest(tmp_path / "two") == digest(tmp_path / "three")
    before = digest(tmp_path / "one")
    assert offtraj("build", spec, "--out", "one", "--workspace", "b").returncode == 0
    assert digest(tmp_path / "one") == before


def test_the_manifest_says_what_was_kept_and_dropped(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"id": q.id, "question": q.text, "answer": q.gold} for q in map(make_question, range(6))
    ]
    rows += [{"id": "none", "question": "x", "answer": None}, {"id": "odd", "question": "x", "answer": "e^{-\n"}]
    write_jsonl(tmp_path / "questions.jsonl", rows)
    done = offtraj("build", spec, "--out", "set")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "set" / "offtraj.json").read_text())
    assert {d["id"]: d["reason"].partition(":")[0] for d in manifest["dropped_questions"]} == {
        "none": "no_gold_answer",
        "odd": "unverifiable_gold",
    }
    assert "not used: sums: odd: unverifiable_gold" in done.stderr
    assert manifest["models"]["weak"]["solve_rates"] == {"0/4": 1, "1/4": 1, "3/4": 1, "4/4": 3}
    assert manifest["models"]["weak"]["lengths"] == "words"
    for file in manifest["files"]:
        assert file["sha256"] == digest(tmp_path / "set")[file["path"]]


def test_a_selection_builds_just_that(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    done = offtraj("build", spec, "--out", "set", "--model", "weak", "--test", "guidability")
    assert done.returncode == 0, done.stderr
    steered = {name.partition("/")[0] for name in digest(tmp_path / "set")} - {"README.md", "offtraj.json", "spec.yaml"}
    assert steered == {
        "guidability--weak",
        "questions",
        "trajectories--weak",
        "trajectories--other",
        "trajectories--guide",
    }
    again = offtraj("build", spec, "--out", "set", "--model", "weak", "--test", "recoverability")
    assert again.returncode == 2
    assert "holds guidability--weak" in again.stderr


def test_a_limit_is_written_down(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    assert offtraj("build", spec, "--out", "set", "--limit", "4").returncode == 0
    manifest = json.loads((tmp_path / "set" / "offtraj.json").read_text())
    assert (manifest["limit"], manifest["benchmarks"]) == (4, {"sums": 4})
    assert "limited to 4 questions" in (tmp_path / "set" / "README.md").read_text()


@pytest.mark.parametrize(
    ("prepare", "arguments", "code", "message"),
    [
        ("", ["--model", "nobody"], 2, "--model 'nobody': the spec has no such model: weak, other"),
        ("", ["--test", "relay"], 2, "--test 'relay': the spec has no such test: recoverability, guidability"),
        ("other-folder", [], 2, "set: exists, and is no data set folder of offtraj: choose another --out"),
        ("other-version", [], 2, "set: holds small 0.9.0, and"),
        ("a-file", [], 2, "set: exists, and is no data set folder"),
        ("no-questions", [], 2, "questions.jsonl': there is no file"),
        ("no-column", [], 2, "questions.jsonl:1: there is no column 'answer'"),
        ("malformed", [], 2, "traces.jsonl:3:"),
        ("empty", [], 2, "the benchmark 'sums' is empty: 0 rows"),
        ("unclosed", [], 1, "individual questions: 0 kept; dropped: never_solved: 6"),
        ("one-question", [], 1, "none on another question"),
        ("nothing-qualifies", ["--test", "guidability"], 1, "nothing qualifies for any set"),
        ("code", [], 2, "domain: expected 'math', got 'code'"),
        ("vllm", [], 1, "`python` of the engine: 'no/python': there is no such interpreter: give the path of one"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_message_and_leaves_nothing(
    spec: Path, offtraj: Run, tmp_path: Path, qwen3: Path, prepare: str, arguments: list[str], code: int, message: str
) -> None:
    out, traces, questions = tmp_path / "set", tmp_path / "traces.jsonl", tmp_path / "questions.jsonl"
    match prepare:
        case "other-folder":
            out.mkdir()
            (out / "thesis.tex").write_text("x")
        case "other-version":
            offtraj("build", spec, "--out", "set")
            text = (out / "offtraj.json").read_text()
            (out / "offtraj.json").write_text(text.replace('"version": "1.0.0"', '"version": "0.9.0"'))
        case "a-file":
            out.write_text("x")
        case "no-questions":
            questions.unlink()
        case "no-column":
            write_jsonl(questions, [{"id": "q0", "question": "x"}])
        case "malformed":
            traces.write_text('{"model": "N"}\n{"model": "N"}\n{"model": \n')
        case "empty":
            questions.write_text("")
        case "unclosed":
            rows = [
                {"question_id": f"q{n}", "model": m, "sample": 0, "response": make_response(n, 1, closed=False)}
                for m in ("Weak", "Other", "Guide")
                for n in range(6)
            ]
            write_jsonl(traces, rows)
        case "one-question":
            write_jsonl(
                traces,
                [
                    {"question_id": "q3", "model": m, "sample": 0, "response": make_response(3, 31)}
                    for m in ("Weak", "Other", "Guide")
                ],
            )
        case "nothing-qualifies":
            write_jsonl(
                traces,
                [
                    {"question_id": f"q{n}", "model": m, "sample": 0, "response": make_response(n, 10 * n + 1)}
                    for m in ("Weak", "Other", "Guide")
                    for n in range(6)
                ],
            )
            spec.write_text(SPEC.replace("[default, solvable, answer-forcing]", "[default]"))
        case "code":
            spec.write_text(SPEC.replace("name: small", "name: small\ndomain: code"))
        case "vllm":
            model = f"{{id: weak, engine: gpu, path: {qwen3}}}"
            spec.write_text(
                SPEC.replace("{id: weak, engine: tape, recorded_as: Weak, tokenizer: words}", model).replace(
                    "engines:", "engines:\n  gpu: {kind: vllm, python: no/python}"
                )
            )
    before = digest(out) if out.is_dir() else None
    done = offtraj("build", spec, "--out", "set", *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (digest(out) if out.is_dir() else None) == before
    assert not list(tmp_path.glob(".set.*"))


def test_debug_shows_the_traceback(spec: Path, offtraj: Run) -> None:
    done = offtraj("--debug", "build", spec, "--model", "nobody")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
@pytest.mark.parametrize("full", ["out", "workspace"])
def test_a_full_disk_is_said_and_nothing_is_half_written(spec: Path, offtraj: Run, tmp_path: Path, full: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        done = offtraj(
            "build",
            spec,
            "--out",
            "disk/set" if full == "out" else "set",
            "--workspace",
            "disk/w" if full == "workspace" else "w",
        )
        assert done.returncode == 1, done.stderr
        assert "disk is full" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (disk / "set").exists()
        assert not (tmp_path / "set").exists()
        assert not list(disk.glob(".set*"))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_kill_at_any_moment_loses_nothing(spec: Path, tmp_path: Path) -> None:
    """Killed at twelve random moments and started again, it ends in the same bytes as when undisturbed."""
    command = [sys.executable, "-m", "offtraj", "build", str(spec), "--out", "set", "--workspace", "w"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([*command[:-1], "undisturbed"], cwd=tmp_path, env=environment, capture_output=True, check=True)
    expected = digest(tmp_path / "set")
    shutil.rmtree(tmp_path / "set")
    moments = random.Random(0)
    for _ in range(12):
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0.3, 3.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (tmp_path / "set").exists():
            assert digest(tmp_path / "set") == expected
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert digest(tmp_path / "set") == expected
    assert not list(tmp_path.glob(".set.*"))


def test_an_interrupt_ends_with_130_and_goes_on_later(spec: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "offtraj", "build", str(spec), "--out", "set", "--workspace", "w"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    while "solo weak" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: run the same command again" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "set").exists()
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_a_kill_while_solo_samples_come_from_a_server_asks_for_nothing_twice(
    spec: Path, tmp_path: Path, r1: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(r1)

    def answer(ids: list[int], seed: int) -> str:
        """Thinking goes on where the template opened it; q0 and q1 are hard."""
        time.sleep(0.02)
        choice = seed % 4  # each once in four seeds that follow each other
        found = re.search(r"What is (\d+)0 \+ 1\?", str(tokenizer.decode(ids)))
        number = 0 if found is None else int(found[1])
        right = choice < {0: 0, 1: 1}.get(number, 4)
        return make_response(number, 10 * number + 1 if right else 999, sentences=10 + choice).removeprefix("<think>\n")

    def command(workspace: str, out: str) -> list[str | Path]:
        return [sys.executable, "-m", "offtraj", "build", spec, "--out", out, "--workspace", workspace]

    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    moments = random.Random(2)
    with in_background(lambda: serving(answer)) as server:
        spec.write_text(
            SPEC.replace("{id: weak, engine: tape, recorded_as: Weak, tokenizer: words}", f"{{id: weak, engine: api, path: {r1}}}")
            .replace("engines:", f"engines:\n  api: {{kind: openai, base_url: '{server.base_url}', concurrency: 1}}")
        )  # fmt: skip
        subprocess.run(command("undisturbed", "whole"), cwd=tmp_path, env=environment, capture_output=True, check=True)
        alone = server.asked()
        server.requests.clear()
        kills = sum(killed(command("w", "set"), tmp_path, server.requests, moments, 0.05) for _ in range(4))
        subprocess.run(command("w", "set"), cwd=tmp_path, env=environment, capture_output=True, check=True)
        asked = server.asked()
    assert kills > 0
    assert set(asked) == set(alone)
    assert asked.total() <= alone.total() + kills  # one at a time: at most what was in flight is asked for again
    assert digest(tmp_path / "set") == digest(tmp_path / "whole")
