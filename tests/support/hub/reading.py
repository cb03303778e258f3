"""What is read over HTTP: who asks, what a repository holds at a revision, its files, its discussions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from support.hub.registry import Registry
from support.hub.repository import Blob, Commit, Discussion, Refused, Repository, tree_hash

API = "/api/{kind:datasets|models}/{org}/{name}"
REVISION = r"{revision:refs/pr/\d+|[^/]+}"
RESOLVE = f"{{org}}/{{name}}/resolve/{REVISION}/{{path:.+}}"


class Reading:
    """Handlers that change nothing."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.routes = [
            web.get("/api/whoami-v2", self.whoami),
            web.get(API, self.info),
            web.get(f"{API}/revision/{REVISION}", self.info),
            web.get(f"{API}/refs", self.refs),
            web.get(f"{API}/commits/{REVISION}", self.commits),
            web.get(f"{API}/tree/{REVISION}", self.tree),
            web.get(f"{API}/tree/{REVISION}/{{path:.+}}", self.tree),
            web.post(f"{API}/paths-info/{REVISION}", self.paths),
            web.get(f"{API}/discussions", self.discussions),
            web.get(rf"{API}/discussions/{{num:\d+}}", self.discussion),
            web.get(f"/{{kind:datasets}}/{RESOLVE}", self.resolve),
            web.get(f"/{RESOLVE}", self.resolve),
            web.get("/storage/{sha256}", self.stored),
        ]

    async def whoami(self, request: web.Request) -> web.Response:
        user = self.registry.named_user(request, writes=False)
        orgs = [{"type": "org", "name": name, "roleInOrg": "write"} for name in user.organisations]
        token = {"displayName": "token", "role": user.role}
        return web.json_response(
            {"type": "user", "name": user.name, "orgs": orgs, "auth": {"type": "access_token", "accessToken": token}}
        )

    async def info(self, request: web.Request) -> web.Response:
        repository, commit = self._at(request)
        blobs = request.query.get("blobs", "").lower() == "true"
        return web.json_response(
            {
                "id": repository.name,
                "author": repository.name.split("/")[0],
                "sha": commit.oid,
                "lastModified": _time(commit.date),
                "private": repository.private,
                "gated": False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "siblings": [_sibling(path, blob, blobs) for path, blob in commit.files.items()],
            }
        )

    async def refs(self, request: web.Request) -> web.Response:
        repository = self.registry.readable(request)
        named = {
            "branches": {f"refs/heads/{name}": commit for name, commit in repository.branches.items()},
            "converts": {},
            "tags": {f"refs/tags/{name}": commit for name, commit in repository.tags.items()},
            "pullRequests": repository.pulls if "include_prs" in request.query else {},
        }
        return web.json_response(
            {
                key: [{"name": _short(ref), "ref": ref, "targetCommit": commit} for ref, commit in refs.items()]
                for key, refs in named.items()
            }
        )

    async def commits(self, request: web.Request) -> web.Response:
        repository, commit = self._at(request)
        return web.json_response(
            [
                {
                    "id": each.oid,
                    "title": each.title,
                    "message": each.description,
                    "authors": [{"user": each.author}],
                    "date": _time(each.date),
                }
                for each in repository.history(commit.oid)
            ]
        )

    async def tree(self, request: web.Request) -> web.Response:
        _, commit = self._at(request)
        folder = request.match_info.get("path", "").rstrip("/")
        entries = _entries(commit.files)
        if folder and entries.get(folder, {}).get("type") != "directory":
            raise Refused(404, f"{folder} does not exist on {commit.oid!r}", "EntryNotFound")
        below = {path: entry for path, entry in entries.items() if not folder or path.startswith(f"{folder}/")}
        if request.query.get("recursive", "").lower() not in {"true", "1"}:
            below = {path: entry for path, entry in below.items() if path.rpartition("/")[0] == folder}
        return web.json_response(list(below.values()))

    async def paths(self, request: web.Request) -> web.Response:
        _, commit = self._at(request)
        if "json" in request.content_type:
            wanted = (await request.json())["paths"]
        else:
            wanted = (await request.post()).getall("paths", [])
        entries = _entries(commit.files)
        return web.json_response([entries[path] for path in wanted if path in entries])

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        _, commit = self._at(request)
        path = request.match_info["path"]
        headers = {"X-Repo-Commit": commit.oid}
        if path not in commit.files:
            message = "Entry not found"
            headers |= {"X-Error-Code": "EntryNotFound", "X-Error-Message": message}
            return web.json_response({"error": message}, status=404, headers=headers)
        blob = commit.files[path]
        if not blob.sha256:
            return _file(blob, headers)
        headers |= {
            "X-Linked-Etag": f'"{blob.sha256}"',
            "X-Linked-Size": str(blob.size),
            "Location": self.registry.storage(blob.sha256),
        }
        return web.Response(status=302, headers=headers)

    async def stored(self, request: web.Request) -> web.StreamResponse:
        self.registry.check_signature(request)
        return _file(self.registry.blobs.large(request.match_info["sha256"]), {})

    async def discussions(self, request: web.Request) -> web.Response:
        repository, asked = self.registry.readable(request), request.query
        found = [
            each
            for each in reversed(repository.discussions)
            if asked.get("author", each.author) == each.author
            and (asked.get("type", "all") == "all" or (asked["type"] == "pull_request") == each.is_pull_request)
            and (asked.get("status", "all") == "all" or (asked["status"] == "open") == (each.status in _OPEN))
        ]
        start = 50 * int(asked.get("p", 0))
        page = [_summary(repository, each) for each in found[start : start + 50]]
        return web.json_response({"count": len(found), "start": start, "discussions": page})

    async def discussion(self, request: web.Request) -> web.Response:
        repository = self.registry.readable(request)
        found = repository.discussion(int(request.match_info["num"]))
        events = [
            comment_event(f"{number}", author, text, found) for number, (author, text) in enumerate(found.comments)
        ]
        details = _summary(repository, found) | {"events": events}
        if found.is_pull_request:
            changes = {"base": "refs/heads/main"} | ({"mergeCommitId": found.merged} if found.merged else {})
            details |= {"changes": changes, "filesWithConflicts": [], "diff": ""}
        return web.json_response(details)

    def _at(self, request: web.Request) -> tuple[Repository, Commit]:
        repository = self.registry.readable(request)
        return repository, repository.resolve(request.match_info.get("revision", "main"))


async def set_etag(_: web.Request, response: web.StreamResponse) -> None:
    """Say a blob's name instead of the file's time."""
    if _ETAG in response:
        response.headers["ETag"] = f'"{response[_ETAG]}"'


def comment_event(num: str, author: str, text: str, discussion: Discussion) -> dict[str, Any]:
    """A comment as the Hub tells it."""
    return {
        "id": num,
        "type": "comment",
        "createdAt": _time(discussion.created),
        "author": {"name": author},
        "data": {"edited": False, "hidden": False, "latest": {"raw": text}},
    }


_OPEN = {"open", "draft"}
_ETAG = web.ResponseKey("etag", str)


def _file(blob: Blob, headers: Mapping[str, str]) -> web.FileResponse:
    response = web.FileResponse(blob.file, headers=headers)
    response[_ETAG] = blob.etag
    return response


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/").removeprefix("refs/")


def _sibling(path: str, blob: Blob, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": path}
    lfs = {"lfs": {"sha256": blob.sha256, "size": blob.size, "pointerSize": blob.pointer_size}} if blob.sha256 else {}
    return {"rfilename": path, "size": blob.size, "blobId": blob.oid, **lfs}


def _entries(files: Mapping[str, Blob]) -> dict[str, dict[str, Any]]:
    """Files and the folders they make, by path."""
    found: dict[str, dict[str, Any]] = {}
    for path, blob in files.items():
        parts = path.split("/")
        for folder in ("/".join(parts[:depth]) for depth in range(1, len(parts))):
            inside = {name: each for name, each in files.items() if name.startswith(f"{folder}/")}
            found.setdefault(folder, {"type": "directory", "path": folder, "size": 0, "oid": tree_hash(inside)})
        lfs = {"oid": blob.sha256, "size": blob.size, "pointerSize": blob.pointer_size}
        found[path] = {"type": "file", "path": path, "size": blob.size, "oid": blob.oid}
        found[path] |= {"lfs": lfs} if blob.sha256 else {}
    return found


def _summary(repository: Repository, discussion: Discussion) -> dict[str, Any]:
    return {
        "num": discussion.num,
        "title": discussion.title,
        "status": discussion.status,
        "isPullRequest": discussion.is_pull_request,
        "author": {"name": discussion.author},
        "createdAt": _time(discussion.created),
        "repo": {"name": repository.name, "type": repository.kind},
    }


def _time(date: datetime) -> str:
    return f"{date:%Y-%m-%dT%H:%M:%S}.{date.microsecond // 1000:03}Z"
