"""Runs with a judge, and graded again, as a user starts them."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.background import in_background
from support.factories import SPEC, make_record, write_small_benchmark
from support.judge import CORRECT, WRONG, JudgeServer, judging, standard, student
from support.server import CompletionServer, serving

from offtraj.errors import DataError
from offtraj.evaluate.run_folder import RunFolder
from offtraj.grading.judge.audit import AuditReport

Run = Callable[..., subprocess.CompletedProcess[str]]

JUDGE = "judge: {model: j, engine: court, audit: 1.0}\n"
COURT = "engines:\n  court: {kind: openai, base_url: '${COURT}', max_retries: 1}"


def lenient(message: str) -> dict[str, Any]:
    """A judge that wants the standard answer to stand somewhere in the student's."""
    return CORRECT if standard(message) in student(message).split() else WRONG


def answers(ids: list[int], index: int) -> str:
    """What a model writes: a number in a box, or words around one."""
    number = 10 * (len(ids) % 6) + 1
    return f"</think>\\boxed{{{number}}}" if len(ids) % 2 else f"</think>\\boxed{{I say {number} it is}}"


@pytest.fixture
def court() -> Iterator[JudgeServer]:
    with in_background(lambda: judging(lenient)) as server:
        yield server


@pytest.fixture
def model() -> Iterator[CompletionServer]:
    with in_background(lambda: serving(answers)) as server:
        yield server


@pytest.fixture
def built(tmp_path: Path, offtraj: Run, court: JudgeServer) -> Path:
    spec = write_small_benchmark(tmp_path)
    spec.write_text(SPEC.replace("samples: 4}", "samples: 4, max_tokens: 400}").replace("engines:", COURT) + JUDGE)
    done = offtraj("build", spec, "--out", "set", COURT=court.base_url)
    assert done.returncode == 0, done.stderr
    return tmp_path / "set"


def outcomes(run: Path) -> list[dict[str, Any]]:
    return pq.read_table(run / "outcomes.parquet").to_pylist()


def test_a_build_asks_the_judge_about_what_the_rule_refuses(built: Path, court: JudgeServer) -> None:
    assert set(court.answers) == {"999"}  # the passes are not audited here
    manifest = json.loads((built / "offtraj.json").read_text())
    assert manifest["verifier"].endswith("+chat:j")
    assert manifest["models"]["weak"]["verdicts"] == {"correct: boxed": 16, "incorrect: rule_different": 8}


def test_a_run_is_judged_audited_and_graded_again(
    built: Path, offtraj: Run, tmp_path: Path, r1: Path, court: JudgeServer, model: CompletionServer
) -> None:
    arguments = ["--model", r1, "--on", "weak", "--test", "recoverability", "--engine", model.base_url, "--out", "run"]
    done = offtraj("run", "set", *arguments, COURT=court.base_url)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    verdicts = Counter((o["decided_by"], o["verdict"], o["reason"]) for o in outcomes(run))
    assert verdicts["judge", "correct", "rule_different"] > 0
    assert verdicts["judge", "incorrect", "rule_different"] > 0
    assert verdicts["rule", "correct", "boxed"] > 0
    assert verdicts["rule", "incorrect", "boxed"] == 0  # the judge has the last word on those
    scores = json.loads((run / "scores.json").read_text())
    counted = {(c["decided_by"], c["verdict"], c["reason"]): c["n"] for c in scores["verdicts"]}
    assert counted == verdicts
    passed = [o for o in outcomes(run) if (o["decided_by"], o["verdict"]) == ("rule", "correct")]
    passes = len({(o["question_id"], o["completion"]) for o in passed})
    assert scores["audit"]["passes"] == scores["audit"]["confirmed"] == passes
    assert scores["audit"]["controls"] == passes
    assert (scores["audit"]["agreement"], scores["audit"]["false_positive_rate"]) == (1.0, 0.0)
    info = json.loads((run / "run.json").read_text())
    assert info["judge"]["identity"] == "chat:j"
    asked = len([answer for answer in court.answers if answer != "999"])
    assert info["judge_cost"] == {"calls": asked, "prompt_tokens": 100 * asked, "tokens": 10 * asked}
    for part in ("verdicts by decider and reason", "rule_different", f"the judge confirms {passes} of {passes} passes"):
        assert part in done.stdout
    assert f"{asked} calls" in offtraj("report", "run").stdout

    before, requests = outcomes(run), len(court.requests)
    same = offtraj("regrade", "run")
    assert same.returncode == 0, same.stderr
    assert f"run--regraded: 0 of {len(before)} verdicts changed" in same.stdout
    assert outcomes(tmp_path / "run--regraded") == before
    assert len(court.requests) == requests  # its replies are in the workspace

    alone = offtraj("regrade", "run", "--judge", "none", "--out", "alone")
    assert alone.returncode == 0, alone.stderr
    changed = verdicts["judge", "correct", "rule_different"] + verdicts["judge", "incorrect", "rule_different"]
    assert f"alone: {changed} of {len(before)} verdicts changed" in alone.stdout
    assert "correct (judge): rule_different" in alone.stdout
    assert {o["decided_by"] for o in outcomes(tmp_path / "alone")} == {"rule"}
    assert json.loads((tmp_path / "alone" / "run.json").read_text())["judge"] is None
    assert len(court.requests) == requests

    back = offtraj("regrade", "alone", "--judge", "set/spec.yaml", "--out", "alone", COURT=court.base_url)
    assert back.returncode == 0, back.stderr
    assert outcomes(tmp_path / "alone") == before
    assert len(court.requests) == requests


def test_a_judge_that_is_down_leaves_outcomes_unscored_and_the_next_run_asks_again(
    built: Path, offtraj: Run, tmp_path: Path, r1: Path, court: JudgeServer, model: CompletionServer
) -> None:
    arguments = ["--model", r1, "--on", "weak", "--test", "recoverability", "--engine", model.base_url, "--out", "run"]
    down = offtraj("run", "set", *arguments, COURT="http://127.0.0.1:9/v1")
    assert down.returncode == 3, down.stderr
    assert "outcomes are unscored" in down.stderr
    unscored = [o for o in outcomes(tmp_path / "run") if o["verdict"] == "unscored"]
    assert unscored
    assert all(o["reason"].startswith("judge_failed: ") and o["decided_by"] is None for o in unscored)
    assert "judge_failed" in down.stdout
    generated = len(model.requests)
    again = offtraj("run", "set", *arguments, COURT=court.base_url)
    assert again.returncode == 0, again.stderr
    assert not any(o["verdict"] == "unscored" for o in outcomes(tmp_path / "run"))
    assert len(model.requests) == generated


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["regrade", "nowhere"], "nowhere: no run folder: it has no run.json"),
        (["regrade", "old"], "old/run.json: has no `think` (delimiters of the thinking), which grading again needs"),
        (["regrade", "old", "--judge", "spec.yaml"], "--judge 'spec.yaml': the spec declares no `judge`"),
    ],
)
def test_what_cannot_be_graded_again_is_said(offtraj: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    write_small_benchmark(tmp_path)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text(json.dumps({"model": {"id": "m"}, "outcomes": {}}))
    done = offtraj(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_run_whose_judge_does_not_speak_chat_is_refused_with_its_kind(offtraj: Run, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    judge = {"identity": "j", "judge": {"model": "j", "engine": "e"}, "engine": {"kind": "vllm"}}
    (tmp_path / "old" / "run.json").write_text(json.dumps({"model": {"id": "m"}, "judge": judge}))
    done = offtraj("regrade", "old")
    assert done.returncode == 2
    assert "old: its `judge` has an engine of kind 'vllm', which does not speak chat: give one with" in done.stderr


def test_the_audit_of_a_run_of_0_1_0_is_read(tmp_path: Path) -> None:
    audit = {"passes": 4, "confirmed": 3, "canaries": 2, "accepted": 1, "unruled": 5}
    shares = {"agreement": 0.75, "false_positive_rate": 0.5}
    (tmp_path / "scores.json").write_text(json.dumps({"audit": audit | shares}))
    report = RunFolder(tmp_path, make_record()).audit
    assert report == AuditReport(passes=4, confirmed=3, controls=2, accepted=1, unruled=5)
    assert report.to_json() == {**report._asdict(), **shares}
    (tmp_path / "scores.json").write_text(json.dumps({"audit": report.to_json()}))
    assert RunFolder(tmp_path, make_record()).audit == report
    (tmp_path / "scores.json").write_text(json.dumps({"audit": {**audit, "passes": None}}))
    with pytest.raises(DataError, match=r"scores.json: cannot be read"):
        _ = RunFolder(tmp_path, make_record()).audit
