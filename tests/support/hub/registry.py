"""The Hub's repositories, its users, and who may do what; the HTTP of it is for `reading` and `writing`."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from aiohttp import web

from support.hub.repository import ATTRIBUTES, Blob, Blobs, Commit, Kind, Refused, Repository


class User(NamedTuple):
    """Whom a token belongs to: writes under the own name and for organisations, unless the token only reads."""

    name: str
    organisations: tuple[str, ...] = ()
    role: Literal["read", "write"] = "write"

    def owns(self, namespace: str) -> bool:
        return namespace == self.name or namespace in self.organisations


@dataclass
class Registry:
    """Repositories under their addresses' names, `datasets/org/name` or `org/name` for a model."""

    blobs: Blobs
    users: Mapping[str, User] = field(default_factory=dict)
    """By token."""
    repositories: dict[str, Repository] = field(default_factory=dict)
    endpoint: str = ""
    part_size: int | None = None
    """LFS files of more bytes are asked for in parts of as many."""
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    """Signs the addresses of the storage, which asks for no token."""

    def __getitem__(self, path: str) -> Repository:
        return self.repositories[path]

    def create(self, path: str, *, private: bool = False, author: str = "system") -> Repository:
        """A new repository, whose first commit has a `.gitattributes`."""
        kind: Kind = "dataset" if path.startswith("datasets/") else "model"
        made = Repository(kind, path.removeprefix("datasets/"), private)
        made.commit("main", {".gitattributes": self.blobs.regular(ATTRIBUTES)}, "initial commit", author)
        self.repositories[path] = made
        return made

    def commit(
        self, path: str, files: Mapping[str, bytes | None], *, branch: str = "main", author: str = "system"
    ) -> Commit:
        """Commit contents directly, as another pusher would; None deletes."""
        repository = self.repositories.get(path) or self.create(path)
        changes = {name: None if c is None else self._blob(repository, name, c) for name, c in files.items()}
        return repository.commit(branch, changes, "files", author)

    def publish(self, path: str, folder: Path, tag: str | None = "v1.0.0") -> Commit:
        """Commit a folder's files to main, in one commit that may be tagged."""
        names = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
        made = self.commit(path, {name: file.read_bytes() for name, file in names.items()})
        if tag is not None:
            self[path].tag(tag, made.oid)
        return made

    def _blob(self, repository: Repository, name: str, content: bytes) -> Blob:
        if not repository.is_lfs(name, len(content), "main"):
            return self.blobs.regular(content)
        scratch = self.blobs.scratch()
        scratch.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        repository.uploaded.add(sha256)
        return self.blobs.keep(scratch, sha256)

    def user(self, request: web.Request) -> User | None:
        """Who asks; none without a token."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.users:
            raise Refused(401, "Invalid credentials in Authorization header")
        return self.users.get(token)

    def named_user(self, request: web.Request, *, writes: bool = True) -> User:
        """Who asks, and may write at all."""
        user = self.user(request)
        if user is None:
            raise Refused(401, "Invalid username or password.")
        if writes and user.role == "read":
            raise Refused(403, "Forbidden: you must use a write token to upload to a repository.")
        return user

    def readable(self, request: web.Request) -> Repository:
        """The repository that an address names, for one who may read it; to others it is not there."""
        user, named = self.user(request), request.match_info
        prefix = "datasets/" if named.get("kind") == "datasets" else ""
        found = self.repositories.get(f"{prefix}{named['org']}/{named['name']}")
        if found is None or (found.private and not (user and user.owns(named["org"]))):
            if user is None:
                raise Refused(401, "Invalid username or password.", "RepoNotFound")
            raise Refused(404, "Repository not found", "RepoNotFound")
        return found

    def writable(self, request: web.Request, revision: str = "main") -> tuple[Repository, User]:
        """The same, for one who may write to a branch, or to the own pull request."""
        found, user = self.readable(request), self.named_user(request)
        own = (
            revision in found.pulls and found.discussion(int(revision.rsplit("/", maxsplit=1)[-1])).author == user.name
        )
        if not own and not user.owns(request.match_info["org"]):
            raise Refused(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
        return found, user

    def storage(self, name: str) -> str:
        """A signed address; of another host than the Hub's, so that clients keep their token from it."""
        return f"{self.endpoint.replace('127.0.0.1', 'localhost')}/storage/{name}?key={self.key}"

    def check_signature(self, request: web.Request) -> None:
        if request.query.get("key") != self.key:
            raise Refused(403, "Access denied")
