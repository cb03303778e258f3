"""A loopback Hub that serves folders, as far as reading goes: info, tree, paths, resolve with etag and range."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from support.background import listening

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Repositories by name; each has one commit, under the revisions that are named."""

    repos: Mapping[str, Path]
    revisions: tuple[str, ...] = ("main", "v1.0.0", COMMIT)
    endpoint: str = ""
    asked: list[str] = field(default_factory=list)

    def _folder(self, request: web.Request) -> Path:
        repo = f"{request.match_info['org']}/{request.match_info['name']}"
        if repo not in self.repos:
            raise web.HTTPNotFound(headers={"X-Error-Code": "RepoNotFound"})
        if request.match_info.get("revision", "main") not in self.revisions:
            raise web.HTTPNotFound(headers={"X-Error-Code": "RevisionNotFound"})
        return self.repos[repo]

    def _files(self, folder: Path) -> list[Path]:
        return sorted(path for path in folder.rglob("*") if path.is_file())

    def _entry(self, folder: Path, path: Path) -> dict[str, Any]:
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            return {"type": "directory", "path": name, "oid": "0" * 40}
        return {"type": "file", "path": name, "size": path.stat().st_size, "oid": _etag(path)}

    async def info(self, request: web.Request) -> web.Response:
        folder = self._folder(request)
        names = [{"rfilename": path.relative_to(folder).as_posix()} for path in self._files(folder)]
        repo = f"{request.match_info['org']}/{request.match_info['name']}"
        return web.json_response(
            {"id": repo, "sha": COMMIT, "siblings": names, "private": False, "tags": [], "downloads": 0}
        )

    async def tree(self, request: web.Request) -> web.Response:
        folder = self._folder(request)
        below = folder / request.match_info.get("path", "")
        if not below.exists():
            raise web.HTTPNotFound(headers={"X-Error-Code": "EntryNotFound"})
        paths = (
            sorted(below.rglob("*"))
            if request.query.get("recursive", "").lower() == "true"
            else sorted(below.iterdir())
        )
        return web.json_response([self._entry(folder, path) for path in paths])

    async def paths(self, request: web.Request) -> web.Response:
        folder = self._folder(request)
        body = await (request.json() if "json" in request.content_type else request.post())
        wanted = body.getall("paths") if hasattr(body, "getall") else body["paths"]
        found = [folder / name for name in wanted if (folder / name).exists()]
        return web.json_response([self._entry(folder, path) for path in found])

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        path = self._folder(request) / request.match_info["path"]
        headers = {"X-Repo-Commit": COMMIT}
        if not path.is_file():
            raise web.HTTPNotFound(headers={"X-Error-Code": "EntryNotFound", **headers})
        response = web.FileResponse(path, headers={**headers, "ETag": f'"{_etag(path)}"'})
        response.etag = _etag(path)
        return response

    @web.middleware
    async def log(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        response: web.StreamResponse = await handler(request)
        return response


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


@asynccontextmanager
async def serving_hub(repos: Mapping[str, Path]) -> AsyncIterator[Hub]:
    """Serve on a free port of the loopback interface."""
    hub = Hub(repos)
    app = web.Application(middlewares=[hub.log])
    for kind in ("datasets", "models"):
        base = f"/api/{kind}/{{org}}/{{name}}"
        app.router.add_get(base, hub.info)
        app.router.add_get(base + "/revision/{revision}", hub.info)
        app.router.add_get(base + "/tree/{revision}", hub.tree)
        app.router.add_get(base + "/tree/{revision}/{path:.*}", hub.tree)
        app.router.add_post(base + "/paths-info/{revision}", hub.paths)
    app.router.add_get("/datasets/{org}/{name}/resolve/{revision}/{path:.*}", hub.resolve)
    app.router.add_get("/{org}/{name}/resolve/{revision}/{path:.*}", hub.resolve)
    async with listening(app) as address:
        hub.endpoint = address
        yield hub
