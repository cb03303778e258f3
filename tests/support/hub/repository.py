"""A repository as git sees it: blobs, commits that never change, branches, tags, discussions and pull requests.

Who may do what is the registry's, and what is said over HTTP is for `reading` and `writing`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal
from uuid import uuid4

Kind = Literal["dataset", "model"]

LARGE = 10 * 2**20
"""Files of more bytes are LFS files whatever their name."""

ATTRIBUTES = "".join(
    f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n"
    for suffix in ("arrow", "bin", "gz", "h5", "npy", "npz", "parquet", "pt", "safetensors", "tar", "zip", "zst")
).encode()
"""What a new repository's `.gitattributes` holds."""


class Refused(Exception):
    """What was asked cannot be: the status, the code and the message that the Hub answers with."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


@dataclass(frozen=True)
class Blob:
    """A file's content, under git's name for it; `sha256` is there for LFS files only."""

    oid: str
    size: int
    file: Path
    sha256: str = ""
    pointer_size: int = 0

    @property
    def content(self) -> bytes:
        return self.file.read_bytes()

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Blobs:
    """Contents of all repositories, by their hash, in a folder."""

    folder: Path

    def regular(self, content: bytes) -> Blob:
        file = self.folder / _git_hash("blob", content)
        if not file.exists():
            file.write_bytes(content)
        return Blob(file.name, len(content), file)

    def large(self, sha256: str) -> Blob:
        """An LFS file that was kept before."""
        file = self.folder / sha256
        size = file.stat().st_size
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
        return Blob(_git_hash("blob", pointer), size, file, sha256, len(pointer))

    def scratch(self) -> Path:
        """Where an upload may be written until it is kept."""
        return self.folder / f"scratch-{uuid4().hex}"

    def keep(self, scratch: Path, sha256: str) -> Blob:
        """Take an upload in, if it is what it was said to be."""
        with scratch.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            scratch.unlink()
            raise Refused(400, f"The uploaded content's sha256 is {found}, not {sha256}")
        scratch.rename(self.folder / sha256)
        return self.large(sha256)


@dataclass(frozen=True)
class Commit:
    """A state of all files, and where it came from."""

    oid: str
    parent: str | None
    title: str
    description: str
    author: str
    date: datetime
    files: Mapping[str, Blob]


@dataclass
class Discussion:
    """A discussion, or a pull request with the commit it started from."""

    num: int
    title: str
    author: str
    base: str = ""
    status: Literal["open", "draft", "closed", "merged"] = "open"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    comments: list[tuple[str, str]] = field(default_factory=list)
    merged: str | None = None

    @property
    def is_pull_request(self) -> bool:
        return bool(self.base)

    @property
    def ref(self) -> str:
        return f"refs/pr/{self.num}"


Changes = Mapping[str, Blob | None]
"""What becomes of paths: None deletes a file, or a folder where the path ends in a slash."""


@dataclass
class Repository:
    """Commits, and the names that point to them."""

    kind: Kind
    name: str
    private: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: dict[str, str] = field(default_factory=dict)
    discussions: list[Discussion] = field(default_factory=list)
    uploaded: set[str] = field(default_factory=set)
    """The sha256 of LFS files that commits may name."""

    @property
    def head(self) -> str:
        """The commit that main is at."""
        return self.branches["main"]

    @property
    def path(self) -> str:
        """The name as the Hub's addresses have it."""
        return f"datasets/{self.name}" if self.kind == "dataset" else self.name

    def resolve(self, revision: str) -> Commit:
        """The commit that a branch, a tag, a pull request or a full sha names."""
        for names in (self.branches, self.tags, self.pulls):
            revision = names.get(revision, revision)
        if revision not in self.commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[revision]

    def files(self, revision: str = "main") -> Mapping[str, Blob]:
        return self.resolve(revision).files

    def is_lfs(self, path: str, size: int, revision: str) -> bool:
        """Whether a file of that name and size belongs to LFS, by the attributes at the revision."""
        attributes = self.files(revision).get(".gitattributes")
        lines = attributes.content.decode().splitlines() if attributes else []
        patterns = [line.split()[0] for line in lines if "filter=lfs" in line]
        return size > LARGE or any(fnmatch(name, p) for p in patterns for name in (path, path.rsplit("/", 1)[-1]))

    def history(self, revision: str) -> list[Commit]:
        """Newest first."""
        found = [self.resolve(revision)]
        while found[-1].parent is not None:
            found.append(self.commits[found[-1].parent])
        return found

    def commit(
        self,
        branch: str,
        changes: Changes,
        title: str,
        author: str,
        *,
        parent: str | None = None,
        description: str = "",
    ) -> Commit:
        """Move a branch or an open pull request; with `parent`, only if that is where it is."""
        names = self.pulls if branch.startswith("refs/pr/") else self.branches
        if branch not in names and (names is self.pulls or self.branches):
            raise Refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        if parent is not None and names.get(branch) != parent:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        made = self._commit(names.get(branch), changes, title, author, description)
        names[branch] = made.oid
        return made

    def open_pull(
        self,
        revision: str,
        changes: Changes,
        title: str,
        author: str,
        *,
        parent: str | None = None,
        description: str = "",
    ) -> tuple[Discussion, Commit]:
        """Open a pull request with one commit, from a revision or from `parent`."""
        base = self.resolve(parent or revision)
        made = self._commit(base.oid, changes, title, author, description)
        pull = self.discuss(title, author, base.oid)
        pull.status, self.pulls[pull.ref] = "open", made.oid
        return pull, made

    def discuss(self, title: str, author: str, base: str = "") -> Discussion:
        """Open a discussion; with a `base`, an empty pull request, which is a draft."""
        self.discussions.append(
            Discussion(len(self.discussions) + 1, title, author, base, status="draft" if base else "open")
        )
        if base:
            self.pulls[self.discussions[-1].ref] = base
        return self.discussions[-1]

    def discussion(self, num: int) -> Discussion:
        if not 0 < num <= len(self.discussions):
            raise Refused(404, "This discussion does not exist")
        return self.discussions[num - 1]

    def merge(self, num: int, author: str) -> Commit:
        """Bring what a pull request changes to main, unless main has changed one of these files since."""
        pull = self.discussion(num)
        if not pull.is_pull_request or pull.status not in {"open", "draft"}:
            raise Refused(400, "This is no open pull request")
        base, ours, theirs = (self.files(revision) for revision in (pull.base, "main", pull.ref))
        changes = {path: theirs.get(path) for path in {*base, *theirs} if base.get(path) != theirs.get(path)}
        if conflicts := sorted(p for p in changes if ours.get(p) not in (base.get(p), theirs.get(p))):
            raise Refused(409, f"Files with conflicts: {', '.join(conflicts)}")
        changes = {path: blob for path, blob in changes.items() if ours.get(path) != blob}
        made = self.commit("main", changes, f"{pull.title} (#{num})", author)
        pull.status, pull.merged = "merged", made.oid
        return made

    def tag(self, name: str, revision: str) -> None:
        if name in self.tags:
            raise Refused(409, "Tag reference exists already")
        self.tags[name] = self.resolve(revision).oid

    def branch(self, name: str, revision: str) -> None:
        if name in self.branches:
            raise Refused(409, "Reference already exists")
        self.branches[name] = self.resolve(revision).oid

    def drop(self, names: dict[str, str], name: str) -> None:
        """Delete a tag or a branch."""
        if names is self.branches and name == "main":
            raise Refused(403, "The branch main cannot be deleted")
        if name not in names:
            raise Refused(404, f"Invalid rev id: {name}", "RevisionNotFound")
        del names[name]

    def _commit(self, parent: str | None, changes: Changes, title: str, author: str, description: str) -> Commit:
        files = dict(self.commits[parent].files) if parent else {}
        for path, blob in changes.items():
            gone = [name for name in files if name == path or (path.endswith("/") and name.startswith(path))]
            if blob is None and not gone:
                raise Refused(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            for name in gone:
                del files[name]
            if blob is not None:
                files[path] = blob
        date = datetime.now(UTC)
        content = [len(self.commits), parent, title, description, author, date.isoformat(), tree_hash(files)]
        oid = _git_hash("commit", json.dumps(content).encode())
        self.commits[oid] = Commit(oid, parent, title, description, author, date, dict(sorted(files.items())))
        return self.commits[oid]


def tree_hash(files: Mapping[str, Blob]) -> str:
    """A name for a folder's content."""
    return _git_hash("tree", json.dumps(sorted((path, blob.oid) for path, blob in files.items())).encode())


def _git_hash(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()
