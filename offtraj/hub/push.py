"""A data set folder goes to the Hub: all files uploaded, then one commit, then the tag of its version.

Until the commit nothing of it is to be seen, and until the tag nothing is published: whatever is interrupted
is continued by the same command. A version, once tagged, never changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from offtraj._util.digest import file_sha256
from offtraj.dataset.folder import OURS
from offtraj.dataset.manifest import Manifest, read_manifest
from offtraj.errors import DataError, HubError, OfftrajError, UsageError

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

__all__ = ["Change", "Destination", "PushPlan", "Pushed", "plan_push", "push"]

MAIN = "main"
_ATTEMPTS = 5  # commits that may meet a branch that has just moved
_CONFLICTS = (409, 412)
_CONFIG = re.compile(r"(?:(?:recoverability|guidability|trajectories)--[^/]+|questions)/[^/]+\.parquet")
_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


class Destination(NamedTuple):
    """Where a data set goes."""

    repo: str
    """`ORG/NAME`."""
    branch: str = MAIN
    """Only what is on `main` is tagged."""
    private: bool = False
    """Of a repository that does not exist yet."""
    pull_request: bool = False
    """Ask those who may write, instead of writing."""


class Change(NamedTuple):
    """What becomes of one file."""

    kind: Literal["new", "changed", "same", "deleted"]
    path: str
    bytes: int
    """After the push; before it where the file is deleted."""


@dataclass(frozen=True)
class PushPlan:
    """What a push will do, given what the repository holds now."""

    to: Destination
    tag: str
    exists: bool
    """Whether the repository is there."""
    head: str | None
    """The branch's commit; none where the branch is not there."""
    tagged: bool
    """Whether this version is published already, with this content."""
    request: str | None
    """Address of an open pull request with this content."""
    changes: Sequence[Change]

    @property
    def moves(self) -> bool:
        """Whether a commit is needed."""
        return any(change.kind != "same" for change in self.changes)

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        if self.to.pull_request:
            return self.request is not None or not self.moves
        return self.tagged or (not self.moves and self.to.branch != MAIN)


class Pushed(NamedTuple):
    """What a push came to."""

    plan: PushPlan
    url: str
    """Of the repository, or of the pull request."""
    commit: str | None
    """The commit that holds the data set; none in a pull request."""
    tagged: bool
    """Whether the version is published now."""


class _File(NamedTuple):
    path: Path
    bytes: int
    sha256: str
    blob: str
    """Git's own SHA-1, under which small files are kept."""


def plan_push(folder: Path, to: Destination) -> PushPlan:
    """Compare a folder with what a repository holds. Nothing is changed, and only listings are fetched.

    Raises:
        DataError: when the folder is not what its manifest says.
        UsageError: when the version is published with other content.
        HubError: when the Hub cannot be asked, or refuses.
    """
    manifest = read_manifest(folder)
    with _hub_errors(to):
        return _plan(_api(), _local(folder, manifest), manifest, to)


def push(folder: Path, to: Destination) -> Pushed:
    """Publish a folder: what is missing is uploaded, then committed at once, then tagged `vVERSION` on `main`.

    The same content again is no change. What another push does meanwhile is taken into account: a branch
    that moved is compared again, a few times.

    Raises:
        DataError: when the folder is not what its manifest says.
        UsageError: when the version is published with other content.
        HubError: when the Hub cannot be asked, or refuses.
    """
    manifest = read_manifest(folder)
    files = _local(folder, manifest)
    with _hub_errors(to):
        api = _api()
        for attempt in range(_ATTEMPTS):
            plan = _plan(api, files, manifest, to)
            try:
                return _carry_out(api, plan, files, f"{manifest.name} {manifest.version}")
            except Exception as error:
                if attempt + 1 == _ATTEMPTS or _status(error) not in _CONFLICTS:
                    raise
    raise AssertionError("unreachable")


def _carry_out(api: HfApi, plan: PushPlan, files: Mapping[str, _File], title: str) -> Pushed:
    to, url = plan.to, f"{api.endpoint}/datasets/{plan.to.repo}"
    if plan.done:
        return Pushed(plan, plan.request or url, None if plan.request else plan.head, plan.tagged)
    if not plan.exists:
        api.create_repo(to.repo, repo_type="dataset", private=to.private, exist_ok=True)
    if plan.head is None and to.branch != MAIN:
        api.create_branch(to.repo, repo_type="dataset", branch=to.branch, exist_ok=True)
    head = plan.head or api.dataset_info(to.repo, revision=to.branch).sha
    if plan.moves:
        done = _commit(api, plan, files, head, title)
        if to.pull_request:
            return Pushed(plan, str(done.pr_url), None, tagged=False)
        head = done.oid
    if to.branch == MAIN:
        api.create_tag(to.repo, repo_type="dataset", tag=plan.tag, revision=head)
    return Pushed(plan, url, head, tagged=to.branch == MAIN)


def _commit(api: HfApi, plan: PushPlan, files: Mapping[str, _File], head: str | None, title: str) -> CommitInfo:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    to = plan.to
    additions = [
        CommitOperationAdd(change.path, files[change.path].path)
        for change in plan.changes
        if change.kind in ("new", "changed")
    ]
    api.preupload_lfs_files(to.repo, additions, repo_type="dataset", revision=to.branch, create_pr=to.pull_request)
    operations: list[CommitOperationAdd | CommitOperationDelete] = [*additions]
    operations += [CommitOperationDelete(change.path) for change in plan.changes if change.kind == "deleted"]
    return api.create_commit(
        to.repo,
        operations,
        commit_message=title,
        repo_type="dataset",
        revision=to.branch,
        parent_commit=head,
        create_pr=to.pull_request,
    )


def _plan(api: HfApi, files: Mapping[str, _File], manifest: Manifest, to: Destination) -> PushPlan:
    from huggingface_hub.errors import RepositoryNotFoundError

    tag = f"v{manifest.version}"
    try:
        refs = api.list_repo_refs(to.repo, repo_type="dataset", include_pull_requests=to.pull_request)
    except RepositoryNotFoundError:
        if to.pull_request:
            raise
        return PushPlan(to, tag, False, None, False, None, _changes(files, {}))
    heads = {branch.name: branch.target_commit for branch in refs.branches}
    tags = {found.name: found.target_commit for found in refs.tags}
    if tag in tags:
        published = _changes(files, _remote(api, to.repo, tag))
        if to.branch == MAIN:
            _refuse_other_content(published, manifest, to, tags)
            return PushPlan(to, tag, True, tags[tag], True, None, published)
    head = heads.get(to.branch)
    # A new branch starts where `main` is.
    changes = _changes(files, {} if not heads else _remote(api, to.repo, to.branch if head is not None else MAIN))
    request = _open_request(api, files, manifest, to) if to.pull_request else None
    return PushPlan(to, tag, True, head, False, request, changes)


def _open_request(api: HfApi, files: Mapping[str, _File], manifest: Manifest, to: Destination) -> str | None:
    """An open pull request that proposes just this."""
    title = f"{manifest.name} {manifest.version}"
    for found in api.get_repo_discussions(
        to.repo, repo_type="dataset", discussion_type="pull_request", discussion_status="open"
    ):
        if found.title == title:
            proposed = _changes(files, _remote(api, to.repo, f"refs/pr/{found.num}"))
            if all(change.kind == "same" for change in proposed):
                return str(found.url)
    return None


def _refuse_other_content(
    published: Sequence[Change], manifest: Manifest, to: Destination, tags: Mapping[str, str]
) -> None:
    differ = [change for change in published if change.kind != "same"]
    if not differ:
        return
    said = {"new": "is not in it", "changed": "differs", "deleted": "is only in it"}
    shown = "; ".join(f"{change.path} {said[change.kind]}" for change in differ[:5])
    more = f"; and {len(differ) - 5} more" if len(differ) > 5 else ""
    numbers = [tuple(map(int, match.groups())) for name in tags if (match := _VERSION.fullmatch(name))]
    major, minor, patch = max(numbers, default=(0, 0, 0))
    raise UsageError(
        f"{to.repo}: v{manifest.version} is published already, with other content: {shown}{more}: what is published "
        f"never changes: set `version: {major}.{minor}.{patch + 1}` in the spec, or a higher one"
    )


def _changes(files: Mapping[str, _File], remote: Mapping[str, tuple[int, str]]) -> tuple[Change, ...]:
    """What becomes of our files, and of what an earlier version left. Whatever else is there is not ours."""
    changes = []
    for path, file in files.items():
        there = remote.get(path)
        kind: Literal["new", "changed", "same"] = (
            "new" if there is None else "same" if there[1] in (file.sha256, file.blob) else "changed"
        )
        changes.append(Change(kind, path, file.bytes))
    ours = (path for path in remote if path in OURS or _CONFIG.fullmatch(path))
    changes += [Change("deleted", path, remote[path][0]) for path in ours if path not in files]
    return tuple(sorted(changes, key=lambda change: change.path))


def _remote(api: HfApi, repo: str, revision: str) -> dict[str, tuple[int, str]]:
    """Size and digest of each file: SHA-256 of a large one, Git's of a small one."""
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repo, repo_type="dataset", revision=revision, recursive=True)
    return {
        entry.path: (entry.size, entry.blob_id if entry.lfs is None else entry.lfs.sha256)
        for entry in tree
        if isinstance(entry, RepoFile)
    }


def _local(folder: Path, manifest: Manifest) -> dict[str, _File]:
    """The folder's files, by path in the repository."""
    files = {}
    for entry in manifest.files:
        path = folder / entry.path
        if not path.is_file() or file_sha256(path) != entry.sha256:
            what = "is not what the manifest says" if path.is_file() else "is missing, though the manifest lists it"
            raise DataError(f"{path}: {what}: build the folder again")
        files[entry.path] = _File(path, entry.bytes, entry.sha256, "")
    for path in (folder / name for name in OURS):
        if path.is_file():
            files[path.name] = _File(path, path.stat().st_size, file_sha256(path), _git_blob(path))
    return files


def _git_blob(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _api() -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(library_name="offtraj")


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


@contextmanager
def _hub_errors(to: Destination) -> Iterator[None]:
    """Turn what the client and its transport raise into one line with the remedy."""
    from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

    again = "what is uploaded stays; run the same command again, and it goes on"
    try:
        yield
    except OfftrajError:
        raise
    except LocalTokenNotFoundError as error:
        raise HubError(f"{to.repo}: publishing needs a token: run `hf auth login`, or set HF_TOKEN") from error
    except OfflineModeIsEnabled as error:
        raise HubError(f"{to.repo}: the Hub client is offline: unset HF_HUB_OFFLINE") from error
    except Exception as error:  # the client raises what its transport raises
        detail = (str(error).strip() or type(error).__name__).splitlines()[0]
        remedy = {
            401: "run `hf auth login`, or set HF_TOKEN to a token that may write",
            403: "use a token that may write there, or --pr to propose it",
            404: "check the name, and that the token may see it",
            409: "others keep writing there: run the same command again",
            412: "others keep writing there: run the same command again",
        }.get(_status(error) or 0, again)
        raise HubError(f"{to.repo}: cannot be published: {detail}: {remedy}") from error
