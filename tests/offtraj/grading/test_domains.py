"""Domains: each is one value, and what a spec accepts is what can be graded."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from support.factories import SPEC, make_question, write_small_benchmark
from support.judge import CORRECT, judging

from offtraj.errors import UsageError
from offtraj.grading.domains import DOMAINS, find_domain
from offtraj.grading.grader import GradingItem
from offtraj.grading.judge.judge import ResolvedJudge
from offtraj.grading.math.reference import MathReference
from offtraj.grading.opening import open_grader
from offtraj.grading.verdict import Verdict
from offtraj.spec import JudgeSpec, OpenAISpec, Spec
from offtraj.store import Store

PACKAGES = [Path(__file__).parents[3] / name for name in ("offtraj", "builders/offtraj_builders")]


def test_a_spec_accepts_the_domains_that_can_be_graded() -> None:
    accepted = Spec.model_fields["domain"].annotation
    assert get_args(accepted) == tuple(domain.name for domain in DOMAINS)


def test_a_domain_is_found_by_name_and_runs_without_one_are_of_the_first() -> None:
    assert [find_domain(domain.name) for domain in DOMAINS] == list(DOMAINS)
    assert find_domain(None) is DOMAINS[0]
    with pytest.raises(UsageError, match="domain 'poetry': this version grades 'math': update offtraj"):
        find_domain("poetry")


def test_the_name_of_a_domain_is_spelled_where_it_is_defined_and_accepted() -> None:
    spelled = {
        path.relative_to(package).as_posix()
        for package in PACKAGES
        for path in package.rglob("*.py")
        for domain in DOMAINS
        if re.search(rf"""["']{domain.name}["']""", path.read_text())
    }
    # The paper's own results are of mathematics and code, whatever this version grades.
    assert spelled == {"grading/math/domain.py", "spec/spec.py", "report/paper.py"}


@pytest.mark.parametrize(
    "command", [["validate"], ["plan"], ["build"], ["run", "--model", "weak"], ["doctor", "--model", "weak"]]
)
def test_every_command_refuses_a_domain_that_cannot_be_graded(
    tmp_path: Path, offtraj: Callable[..., subprocess.CompletedProcess[str]], command: list[str]
) -> None:
    spec = write_small_benchmark(tmp_path)
    spec.write_text(SPEC.replace("version: 1.0.0", "version: 1.0.0\ndomain: code"))
    name, *options = command
    done = offtraj(name, spec, *options)
    assert done.returncode == 2
    assert re.search(r"spec\.yaml:3:\d+: domain: expected 'math', got 'code'", done.stderr)


def test_a_reference_is_the_same_behind_its_columns() -> None:
    for reference in (MathReference("5"), MathReference("5", "km", 0.1)):
        assert DOMAINS[0].published_reference({**reference.columns(), "question": "How far?"}) == reference
    assert DOMAINS[0].published_reference({"answer": "5"}) == MathReference("5")


def test_a_question_differs_from_one_with_another_reference() -> None:
    question = make_question(0)
    assert question != replace(question, reference=MathReference("1", "km"))
    assert question.gold == "1"


async def test_a_grader_that_was_opened_closes_its_judge(store: Store) -> None:
    async with judging(lambda _: CORRECT) as server:
        declared = ResolvedJudge(
            JudgeSpec(model="j", engine="api", audit=1.0), OpenAISpec(kind="openai", base_url=server.base_url)
        )
        async with open_grader(DOMAINS[0], store=store, judge=declared, audit_seed=0) as grader:
            verdict = await grader.grade(GradingItem("How many?", MathReference("5")), r"\boxed{5}", "stop")
            assert verdict == Verdict("correct", "rule", "boxed")
            assert grader.audit is not None
            assert grader.audit.report().passes == 1
            assert grader.version == f"{grader.verifier_version}+chat:j"
        assert grader.judge is not None
        asked = len(server.requests)
        with pytest.raises(Exception, match="closed"):
            await grader.judge.rule("another", "5", "6")
        assert len(server.requests) == asked
        async with open_grader(DOMAINS[0], store=store, judge=declared) as unaudited:
            assert unaudited.audit is None
