"""The loopback Hub does with the real clients what the real one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from support.background import in_background
from support.hub import Fault, Hub, User, nth, on, serving_hub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of the client's own upload

SET = "datasets/org/set"
README = b"---\nconfigs:\n- config_name: sums\n  data_files:\n  - {split: test, path: sums/*.parquet}\n---\nA set.\n"

LOAD = """
import json, sys
from datasets import load_dataset
print(json.dumps(load_dataset("org/set", "sums", split="test", revision=sys.argv[1])["n"][:]))
"""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setattr("time.sleep", lambda _, nap=time.sleep: nap(0.01))  # between the client's attempts
    users = {
        "hf_owner": User("owner", ("org",)),
        "hf_other": User("other"),
        "hf_reader": User("owner", ("org",), "read"),
    }
    with in_background(lambda: serving_hub(users=users)) as served:
        served.create(SET)
        yield served


@pytest.fixture
def owner(hub: Hub) -> HfApi:
    return HfApi(hub.endpoint, token="hf_owner")


@pytest.fixture
def other(hub: Hub) -> HfApi:
    return HfApi(hub.endpoint, token="hf_other")


def parquet(folder: Path, numbers: list[int]) -> Path:
    pq.write_table(pa.table({"n": numbers}), folder / "test.parquet")
    return folder / "test.parquet"


def add(path: str, content: bytes | Path = b"text") -> CommitOperationAdd:
    return CommitOperationAdd(path, str(content) if isinstance(content, Path) else content)


def push(api: HfApi, *operations: CommitOperationAdd | CommitOperationDelete, **arguments: Any) -> str:
    made: CommitInfo = api.create_commit("org/set", operations, commit_message="push", repo_type="dataset", **arguments)
    return str(made.oid)


def load(hub: Hub, home: Path, revision: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in {"HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"}}
    return subprocess.run(
        [sys.executable, "-c", LOAD, revision],
        env={**environment, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def refused(status: int, do: Callable[[], object]) -> str:
    with pytest.raises(HfHubHTTPError) as caught:
        do()
    assert caught.value.response.status_code == status
    return str(caught.value)


def test_a_release_is_loaded_at_its_tag_after_main_moved(hub: Hub, owner: HfApi, tmp_path: Path) -> None:
    assert owner.whoami()["name"] == "owner"
    owner.create_repo("org/set", repo_type="dataset", exist_ok=True)
    shard = add("sums/test-00000-of-00001.parquet", parquet(tmp_path, [1, 2, 3]))
    head = hub[SET].head
    owner.preupload_lfs_files("org/set", [shard], repo_type="dataset")
    assert hub[SET].head == head
    oid = push(owner, shard, add("README.md", README), parent_commit=head)
    owner.create_tag("org/set", tag="v1.0.0", revision=oid, repo_type="dataset")
    push(owner, CommitOperationDelete("sums/", is_folder=True))
    done = load(hub, tmp_path / "home", "v1.0.0")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [1, 2, 3]
    assert list(hub[SET].files()) == [".gitattributes", "README.md"]
    assert [commit.parent for commit in hub[SET].history("v1.0.0")] == [head, None]


def test_what_a_repository_holds_is_said_at_every_kind_of_revision(hub: Hub, owner: HfApi, tmp_path: Path) -> None:
    file = parquet(tmp_path, [1])
    oid = push(owner, add("a/b/test.parquet", file), add("a/notes.txt", b"x" * 100))
    owner.create_branch("org/set", branch="side/1", repo_type="dataset")
    owner.create_tag("org/set", tag="v1/0", repo_type="dataset")
    refused(409, lambda: owner.create_tag("org/set", tag="v1/0", repo_type="dataset"))
    refs = owner.list_repo_refs("org/set", repo_type="dataset")
    assert [(ref.name, ref.ref) for ref in refs.tags] == [("v1/0", "refs/tags/v1/0")]
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": oid, "side/1": oid}
    for revision in (None, "side/1", "v1/0", oid):
        assert owner.dataset_info("org/set", revision=revision).sha == oid
    tree = {each.path: each for each in owner.list_repo_tree("org/set", "a", recursive=True, repo_type="dataset")}
    assert list(tree) == ["a/b", "a/b/test.parquet", "a/notes.txt"]
    shard = tree["a/b/test.parquet"]
    assert isinstance(shard, RepoFile) and shard.lfs is not None
    assert shard.lfs.sha256 == sha256(file.read_bytes()).hexdigest()
    assert [each.path for each in owner.get_paths_info("org/set", ["a", "none"], repo_type="dataset")] == ["a"]
    assert len(owner.list_repo_commits("org/set", repo_type="dataset")) == 2
    owner.delete_tag("org/set", tag="v1/0", repo_type="dataset")
    with pytest.raises(RevisionNotFoundError):
        owner.dataset_info("org/set", revision="v1/0")
    with pytest.raises(RevisionNotFoundError):
        owner.create_tag("org/set", tag="v2", revision="v9", repo_type="dataset")
    anyone = HfApi(hub.endpoint, token=False)
    fetched = anyone.hf_hub_download("org/set", "a/b/test.parquet", repo_type="dataset", cache_dir=tmp_path / "cache")
    assert Path(fetched).read_bytes() == file.read_bytes()
    assert Path(fetched).resolve().name == sha256(file.read_bytes()).hexdigest()
    with pytest.raises(EntryNotFoundError):
        anyone.hf_hub_download("org/set", "a/none", repo_type="dataset", cache_dir=tmp_path / "cache")


def test_an_upload_is_made_once_and_a_commit_of_nothing_new_is_none(hub: Hub, owner: HfApi, tmp_path: Path) -> None:
    file = parquet(tmp_path, [1])
    oid = push(owner, add("test.parquet", file))
    assert push(owner, add("test.parquet", file)) == oid
    assert push(owner, add("again.parquet", file)) != oid
    assert sum(asked.startswith("PUT") for asked in hub.asked) == 1


def test_a_large_file_is_uploaded_in_parts(hub: Hub, owner: HfApi, tmp_path: Path) -> None:
    hub.part_size = 1000
    file = parquet(tmp_path, list(range(1000)))
    push(owner, add("test.parquet", file))
    assert hub[SET].files()["test.parquet"].content == file.read_bytes()
    assert sum(asked.startswith("PUT") for asked in hub.asked) == -(-file.stat().st_size // 1000) > 2


def test_a_commit_cannot_name_what_was_never_uploaded(hub: Hub, owner: HfApi, tmp_path: Path) -> None:
    shard = add("test.parquet", parquet(tmp_path, [1]))
    shard._is_uploaded, shard._upload_mode = True, "lfs"
    with pytest.raises(BadRequestError, match="was not uploaded"):
        push(owner, shard)


def test_a_commit_onto_a_branch_that_moved_is_refused(hub: Hub, owner: HfApi) -> None:
    head = hub[SET].head
    hub.fault = on("POST", "/commit/main", Fault(call=lambda: hub.commit(SET, {"other.txt": b"first"})))
    message = refused(412, lambda: push(owner, add("mine.txt"), parent_commit=head))
    assert "A commit has happened since. Please refresh and try again." in message
    assert list(hub[SET].files()) == [".gitattributes", "other.txt"]


def test_one_without_the_right_to_write_hands_in_a_pull_request(
    hub: Hub, owner: HfApi, other: HfApi, tmp_path: Path
) -> None:
    head = hub[SET].head
    assert "create_pr=1" in refused(403, lambda: push(other, add("a.txt")))
    refused(403, lambda: push(HfApi(hub.endpoint, token="hf_reader"), add("a.txt")))
    refused(401, lambda: push(HfApi(hub.endpoint, token=False), add("a.txt")))
    push(other, add("a.txt"), add("a.parquet", parquet(tmp_path, [1])), create_pr=True)
    push(other, add("b.txt"), revision="refs/pr/1")
    assert hub[SET].head == head
    [pull] = owner.get_repo_discussions("org/set", repo_type="dataset", discussion_status="open")
    assert (pull.num, pull.author, pull.status, pull.is_pull_request) == (1, "other", "open", True)
    hub.commit(SET, {"c.txt": b"meanwhile"})
    refused(403, lambda: other.merge_pull_request("org/set", 1, repo_type="dataset"))
    owner.merge_pull_request("org/set", 1, repo_type="dataset")
    assert list(hub[SET].files()) == [".gitattributes", "a.parquet", "a.txt", "b.txt", "c.txt"]
    details = owner.get_discussion_details("org/set", 1, repo_type="dataset")
    assert (details.status, details.merge_commit_oid) == ("merged", hub[SET].head)
    assert owner.list_repo_refs("org/set", repo_type="dataset", include_pull_requests=True).pull_requests


def test_a_private_repository_is_not_there_for_others(hub: Hub, owner: HfApi, other: HfApi, tmp_path: Path) -> None:
    owner.create_repo("owner/secret", private=True)
    assert owner.model_info("owner/secret").private
    for api in (other, HfApi(hub.endpoint, token=False)):
        with pytest.raises(RepositoryNotFoundError):
            api.model_info("owner/secret")
        with pytest.raises(RepositoryNotFoundError):
            api.snapshot_download("owner/secret", cache_dir=tmp_path)
    refused(401, lambda: HfApi(hub.endpoint, token="hf_wrong").model_info("owner/secret"))
    refused(409, lambda: owner.create_repo("owner/secret"))
    refused(403, lambda: other.create_repo("org/mine"))


def test_a_status_befalls_a_request_instead_of_its_effect(hub: Hub, owner: HfApi) -> None:
    head, hub.fault = hub[SET].head, on("POST", "/commit/", Fault(status=503))
    refused(503, lambda: push(owner, add("a.txt")))
    assert hub[SET].head == head
    assert push(owner, add("a.txt")) == hub[SET].head != head


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_is_cut_before_or_after_the_effect(
    hub: Hub, owner: HfApi, when: Literal["before", "after"]
) -> None:
    hub.fault = on("POST", "/commit/", Fault(cut=True, when=when))
    with pytest.raises(Exception, match="disconnected|reset|closed"):
        push(owner, add("a.txt"))
    assert ("a.txt" in hub[SET].files()) == (when == "after")


def test_an_upload_that_is_cut_is_tried_again(hub: Hub, owner: HfApi, tmp_path: Path) -> None:
    hub.fault = on("PUT", "/storage/", Fault(cut=True), times=2)
    push(owner, add("test.parquet", parquet(tmp_path, [1])))
    assert sum(asked.startswith("PUT") for asked in hub.asked) == 3


def test_a_request_waits_and_calls_back_at_its_number(hub: Hub, owner: HfApi) -> None:
    seen: list[str] = []

    def ask() -> None:
        seen.append(HfApi(hub.endpoint, token=False).dataset_info("org/set").sha or "")

    head, hub.fault = hub[SET].head, nth(2, Fault(delay=0.05, call=ask, when="after"))
    oid = push(owner, add("a.txt"))
    assert seen == [oid]
    assert head != oid


def test_a_card_without_metadata_is_warned_of(hub: Hub, owner: HfApi) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        push(owner, add("README.md", b"A set."))
    assert "empty or missing yaml metadata" in str(said[0].message)
    with pytest.raises(ValueError, match="Invalid metadata"):
        push(owner, add("README.md", b"---\na: [\n---\n"))
