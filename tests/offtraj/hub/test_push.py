"""Publishing with the real client on a loopback Hub: whole or not at all, once, and continued after anything."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from support.background import in_background
from support.factories import make_dataset, write_small_benchmark
from support.hub import Fault, Hub, User, nth, on, serving_hub

from offtraj.errors import DataError, HubError, UsageError
from offtraj.hub.push import Destination, plan_push, push

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of the client's own upload

REPO = "org/small"
SET = f"datasets/{REPO}"
TOKEN = "hf_owner_secret"
TO = Destination(REPO)
LOAD = """
import sys
from datasets import load_dataset
rows = load_dataset("org/small", sys.argv[1], split="test", revision=sys.argv[2])
print(len(rows), "".join(row["prefix"] for row in rows), sep="\\n", end="")
"""
PUSH = """
import sys
from pathlib import Path
from offtraj.hub.push import Destination, push
push(Path(sys.argv[1]), Destination(sys.argv[2]))
"""


def build(folder: Path, **replace: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = write_small_benchmark(folder)
    text = path.read_text()
    for old, new in replace.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return make_dataset(path, folder / "set")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1.0.0."""
    return build(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1.1.0: without a test, so that files are gone."""
    text = "  recoverability:\n    variants: [default, keep-first-paragraph, cross-model]\n    distractors: 3\n    trajectories: 4\n"
    return build(tmp_path_factory.mktemp("second"), **{"1.0.0": "1.1.0", text: ""})


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1.0.0 again, with other content."""
    return build(tmp_path_factory.mktemp("other"), **{"distractors: 3": "distractors: 2"})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub with an owner of `org`, who is logged in, and a stranger."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("time.sleep", lambda _, nap=time.sleep: nap(0.01))  # between the client's attempts
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    users = {TOKEN: User("owner", ("org",)), "hf_stranger": User("stranger")}
    with in_background(lambda: serving_hub(users=users)) as served:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", served.endpoint)
        yield served


def paths(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def holds(hub: Hub, folder: Path, revision: str = "main", repo: str = SET) -> bool:
    """Whether a revision holds a folder, byte for byte, and besides only what is not ours."""
    files = hub[repo].files(revision)
    return set(files) - {".gitattributes", "LICENSE"} == paths(folder) and all(
        files[path].content == (folder / path).read_bytes() for path in paths(folder)
    )


def commits(hub: Hub) -> int:
    return sum("/commit/" in asked for asked in hub.asked)


def loaded(hub: Hub, home: Path, config: str, revision: str) -> str:
    """What `load_dataset` gives in a fresh process with a fresh cache."""
    environment = {k: v for k, v in os.environ.items() if k not in {"HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"}}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, config, revision],
        env={**environment, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected(folder: Path, config: str) -> str:
    import pyarrow.parquet as pq

    rows = pq.read_table(next((folder / config).glob("*.parquet"))).to_pylist()
    return f"{len(rows)}\n" + "".join(row["prefix"] for row in rows)


def test_versions_are_published_side_by_side_and_load(hub: Hub, first: Path, second: Path, tmp_path: Path) -> None:
    done = push(first, TO)
    assert (done.tagged, done.commit) == (True, hub[SET].head)
    assert commits(hub) == 1
    assert holds(hub, first, "v1.0.0")
    hub.commit(SET, {"LICENSE": b"mine"})
    done = push(second, TO)
    assert holds(hub, second, "v1.1.0")
    assert holds(hub, first, "v1.0.0")
    assert hub[SET].files()["LICENSE"].content == b"mine"
    assert commits(hub) == 2
    config = "guidability--weak"
    assert loaded(hub, tmp_path / "one", config, "v1.0.0") == expected(first, config)
    assert loaded(hub, tmp_path / "two", config, "v1.1.0") == expected(second, config)


def test_the_same_content_again_is_no_change(hub: Hub, first: Path) -> None:
    push(first, TO)
    head, asked = hub[SET].head, len(hub.asked)
    done = push(first, TO)
    assert done.plan.done
    assert (done.tagged, hub[SET].head) == (True, head)
    assert all(line.startswith("GET ") for line in hub.asked[asked:])


def test_a_plan_says_what_would_change_and_changes_nothing(hub: Hub, first: Path, second: Path) -> None:
    plan = plan_push(first, TO)
    assert not plan.exists
    assert {change.kind for change in plan.changes} == {"new"}
    assert hub.repositories == {}
    push(first, TO)
    head = hub[SET].head
    plan = plan_push(second, TO)
    kinds = {change.path: change.kind for change in plan.changes}
    assert kinds["README.md"] == kinds["spec.yaml"] == "changed"
    assert kinds["trajectories--weak/train-00000-of-00001.parquet"] == "same"
    assert kinds["recoverability--weak/test-00000-of-00001.parquet"] == "deleted"
    assert hub[SET].head == head


def test_a_published_version_never_changes(hub: Hub, first: Path, second: Path, other: Path) -> None:
    push(first, TO)
    push(second, TO)
    head = hub[SET].head
    with pytest.raises(UsageError) as refused:
        push(other, TO)
    assert "v1.0.0 is published already, with other content: README.md differs; offtraj.json differs; " in str(
        refused.value
    )
    assert "set `version: 1.1.1` in the spec" in str(refused.value)
    assert hub[SET].head == head


def test_a_folder_that_was_changed_is_not_published(hub: Hub, first: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(first, tmp_path / "copy"))
    path = next((copy / "questions").iterdir())
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DataError, match="is not what the manifest says: build the folder again"):
        push(copy, TO)
    path.unlink()
    with pytest.raises(DataError, match="is missing, though the manifest lists it"):
        push(copy, TO)
    assert hub.asked == []


def test_a_branch_that_moves_is_compared_again(hub: Hub, first: Path, second: Path) -> None:
    push(first, TO)
    hub.fault = on("POST", "/commit/main", Fault(call=lambda: hub.commit(SET, {"LICENSE": b"theirs"})))
    push(second, TO)
    assert holds(hub, second, "v1.1.0")
    assert hub[SET].files()["LICENSE"].content == b"theirs"


def test_a_branch_that_always_moves_is_given_up(hub: Hub, first: Path) -> None:
    count = iter(range(99))
    hub.create(SET)
    hub.fault = on(
        "POST", "/commit/main", Fault(call=lambda: hub.commit(SET, {"LICENSE": b"%d" % next(count)})), times=99
    )
    with pytest.raises(HubError, match="others keep writing there: run the same command again"):
        push(first, TO)
    assert commits(hub) == 5
    assert hub[SET].tags == {}


@pytest.mark.parametrize("where", ["/preupload/", "/commit/main", "/tag/"])
def test_two_pushers_of_the_same_content_are_one(hub: Hub, first: Path, where: str) -> None:
    hub.create(SET)
    hub.fault = on("POST", where, Fault(call=lambda: push(first, TO)))
    done = push(first, TO)
    assert done.tagged
    assert holds(hub, first, "v1.0.0")
    assert len(hub[SET].history("main")) == 2


@pytest.mark.parametrize("where", ["/preupload/", "/commit/main", "/tag/"])
def test_of_two_pushers_of_one_version_one_wins(hub: Hub, first: Path, other: Path, where: str) -> None:
    hub.create(SET)
    hub.fault = on("POST", where, Fault(call=lambda: push(other, TO)))
    with pytest.raises(UsageError, match="is published already, with other content"):
        push(first, TO)
    assert holds(hub, other, "v1.0.0")


def test_a_push_that_is_killed_at_any_request_is_continued(hub: Hub, first: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    kills = 0
    for when in ("before", "after"):
        for number in range(1, 40):
            repo = f"org/{when}-{number}"
            process = subprocess.Popen([sys.executable, "-c", PUSH, str(first), repo], env=environment)
            hub.asked.clear()
            hub.fault = nth(number, Fault(call=process.kill, cut=True, when=when))
            killed = process.wait() == -signal.SIGKILL
            hub.fault = None
            if not killed:
                assert holds(hub, first, "v1.0.0", f"datasets/{repo}")
                break
            kills += 1
            there = hub.repositories.get(f"datasets/{repo}")
            if there is not None:
                assert set(there.files()) == {".gitattributes"} or holds(hub, first, repo=f"datasets/{repo}")
                assert not there.tags or holds(hub, first, "v1.0.0", f"datasets/{repo}")
            done = push(first, Destination(repo))
            assert done.tagged
            assert holds(hub, first, "v1.0.0", f"datasets/{repo}")
            assert len(hub[f"datasets/{repo}"].history("main")) == 2
    assert kills > 20


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("where", ["/repos/create", "/preupload/", "/objects/batch", "/storage/", "/commit/", "/tag/"])
def test_a_connection_that_is_cut_is_one_message_and_the_same_command_goes_on(
    hub: Hub, first: Path, where: str, when: Literal["before", "after"]
) -> None:
    hub.fault = on("PUT" if where == "/storage/" else "POST", where, Fault(cut=True, when=when), times=99)
    with pytest.raises(HubError) as failed:
        push(first, TO)
    assert len(str(failed.value).splitlines()) == 1
    assert "run the same command again, and it goes on" in str(failed.value)
    hub.fault = None
    assert push(first, TO).tagged
    assert holds(hub, first, "v1.0.0")


def test_whoever_may_not_write_proposes(hub: Hub, first: Path, second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(first, TO)
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    with pytest.raises(HubError, match="use a token that may write there, or --pr to propose it"):
        push(second, TO)
    proposal = TO._replace(pull_request=True)
    done = push(second, proposal)
    assert done.url.endswith("/datasets/org/small/discussions/1")
    assert not done.tagged
    assert holds(hub, first)
    assert holds(hub, second, "refs/pr/1")
    again = push(second, proposal)
    assert (again.url, again.plan.done) == (done.url, True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub[SET].merge(1, "owner")
    before = commits(hub)
    assert push(second, TO).tagged
    assert commits(hub) == before
    assert holds(hub, second, "v1.1.0")


def test_a_branch_is_published_without_a_tag(hub: Hub, first: Path, second: Path) -> None:
    push(first, TO)
    done = push(second, TO._replace(branch="next"))
    assert not done.tagged
    assert holds(hub, second, "next")
    assert holds(hub, first, "main")
    assert list(hub[SET].tags) == ["v1.0.0"]
    assert push(second, TO._replace(branch="next")).plan.done
    assert push(second, TO).tagged


def test_a_repository_can_be_private(hub: Hub, first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(first, TO._replace(private=True))
    assert hub[SET].private
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    with pytest.raises(HubError, match="cannot be published"):
        push(first, TO)


def test_without_a_token_the_message_says_how_to_get_one(
    hub: Hub, first: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(HubError, match="run `hf auth login`, or set HF_TOKEN"):
        push(first, TO)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(HubError, match="run `hf auth login`, or set HF_TOKEN") as failed:
        push(first, TO)
    assert "hf_wrong" not in str(failed.value)


def test_the_command_publishes_and_shows_no_token(
    hub: Hub, offtraj: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    spec = write_small_benchmark(tmp_path)
    environment = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "HF_TOKEN": TOKEN}
    command = ("build", spec, "--out", "set", "--push")
    done = offtraj(*command, **environment)
    assert done.returncode == 2
    assert f"--push: {spec} does not say where to: add `publish: {{repo: ORG/NAME}}`" in done.stderr
    spec.write_text(spec.read_text() + f"publish: {{repo: {REPO}, license: mit}}\n")
    dry = offtraj(*command, "--dry-run", **environment)
    assert dry.returncode == 0, dry.stderr
    assert "in one commit, then the tag v1.0.0" in dry.stdout
    assert hub.repositories == {}
    done = offtraj(*command, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{hub.endpoint}/datasets/{REPO}: v1.0.0 is commit {hub[SET].head}"
    again = offtraj(*command, **environment)
    assert again.stdout.splitlines()[-1].endswith("there already, with this content: nothing to do")
    checked = offtraj("check", f"{REPO}@v1.0.0", **environment)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    part = offtraj(*command, "--model", "weak", **environment)
    assert part.returncode == 2
    assert "this is only a part of small 1.0.0" in part.stderr
    for result in (dry, done, again, checked, part):
        assert TOKEN not in result.stdout + result.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dry-run"], "--dry-run: has no effect without --push"),
        (["--pr"], "--pr: has no effect without --push"),
        (["--revision", "next"], "--revision: has no effect without --push"),
        (["--push", "--pr", "--revision", "next"], "--pr: proposes a change of main"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_built(
    options: list[str], message: str, offtraj: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    spec = write_small_benchmark(tmp_path)
    spec.write_text(spec.read_text() + f"publish: {{repo: {REPO}}}\n")
    done = offtraj("build", spec, "--out", "set", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "set").exists()
