"""Publishing a data set folder on the Hub: all files are uploaded, then committed at once, then tagged.

Nothing is visible before the commit, and nothing is published before the tag. The same command continues after an
interruption. A version never changes once it is tagged.
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
from offtraj.dataset.configs import is_known
from offtraj.dataset.folder import OURS
from offtraj.dataset.manifest import Manifest, read_manifest
from offtraj.errors import DataError, HubError, OfftrajError, UsageError, first_line

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

__all__ = ["Change", "Destination", "PushPlan", "Pushed", "plan_push", "push"]

MAIN = "main"
_ATTEMPTS = 5  # attempts to commit while others commit to the same branch
_CONFLICTS = (409, 412)
_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


class Destination(NamedTuple):
    """The place where a data set is published."""

    repo: str
    """`ORG/NAME`."""
    branch: str = MAIN
    """The branch to commit to; only `main` is tagged."""
    private: bool = False
    """Whether a repository that does not exist yet is created as a private one."""
    pull_request: bool = False
    """Whether to open a pull request instead of committing to the branch."""


class Change(NamedTuple):
    """The change of one file."""

    kind: Literal["new", "changed", "same", "deleted"]
    path: str
    bytes: int
    """Its size after the push; before the push for a deleted file."""


@dataclass(frozen=True)
class PushPlan:
    """The changes that a push would make, given the present state of the repository."""

    to: Destination
    tag: str
    exists: bool
    """Whether the repository exists."""
    head: str | None
    """The branch's commit; `None` where the branch does not exist."""
    tagged: bool
    """Whether this version is already published with this content."""
    request: str | None
    """Address of an open pull request with this content."""
    changes: Sequence[Change]

    @property
    def moves(self) -> bool:
        """Whether a commit is needed."""
        return any(change.kind != "same" for change in self.changes)

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        if self.to.pull_request:
            return self.request is not None or not self.moves
        return self.tagged or (not self.moves and self.to.branch != MAIN)


class Pushed(NamedTuple):
    """The result of a push."""

    plan: PushPlan
    url: str
    """Address of the repository, or of the pull request."""
    commit: str | None
    """The commit that holds the data set; `None` for a pull request."""
    tagged: bool
    """Whether the version is published now."""


class _File(NamedTuple):
    path: Path
    bytes: int
    sha256: str
    blob: str
    """Git's SHA-1, by which the Hub identifies small files."""


def plan_push(folder: Path, to: Destination) -> PushPlan:
    """The changes that publishing a folder would make. Nothing is changed, and only listings are fetched.

    Raises:
        DataError: when the folder differs from its manifest.
        UsageError: when the version is published with other content.
        HubError: when the Hub cannot be reached, or refuses.
    """
    manifest = read_manifest(folder)
    with _hub_errors(to):
        return _plan(_api(), _local(folder, manifest), manifest, to)


def push(folder: Path, to: Destination) -> Pushed:
    """The result of publishing a folder: missing files uploaded, committed at once, and tagged `vVERSION` on `main`.

    Publishing the same content again changes nothing. If another push moves the branch meanwhile, the folder is
    compared with it again, up to 5 times.

    Raises:
        DataError: when the folder differs from its manifest.
        UsageError: when the version is published with other content.
        HubError: when the Hub cannot be reached, or refuses.
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
    """The address of an open pull request with the same content; `None` if there is none."""
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
    """The changes of the folder's files, and of data set files in the repository; other files are left alone."""
    changes = []
    for path, file in files.items():
        there = remote.get(path)
        kind: Literal["new", "changed", "same"] = (
            "new" if there is None else "same" if there[1] in (file.sha256, file.blob) else "changed"
        )
        changes.append(Change(kind, path, file.bytes))
    ours = (path for path in remote if path in OURS or _is_shard(path))
    changes += [Change("deleted", path, remote[path][0]) for path in ours if path not in files]
    return tuple(sorted(changes, key=lambda change: change.path))


def _is_shard(path: str) -> bool:
    """Whether a path in a repository is that of a configuration's Parquet file."""
    config, _, name = path.partition("/")
    return is_known(config) and "/" not in name and name.endswith(".parquet")


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
    """Errors of the client and its transport are raised as `HubError`, in one line with the remedy."""
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
        detail = first_line(error)
        remedy = {
            401: "run `hf auth login`, or set HF_TOKEN to a token that may write",
            403: "use a token that may write there, or --pr to propose it",
            404: "check the name, and that the token may see it",
            409: "others keep writing there: run the same command again",
            412: "others keep writing there: run the same command again",
        }.get(_status(error) or 0, again)
        raise HubError(f"{to.repo}: cannot be published: {detail}: {remedy}") from error
