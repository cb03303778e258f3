"""What is written over HTTP: repositories, uploads, commits, tags and branches, pull requests."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from aiohttp import web
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from support.hub.reading import API, REVISION, comment_event
from support.hub.registry import Registry
from support.hub.repository import Blob, Refused, Repository

GIT = "{org}/{name}.git/info/lfs"


class Writing:
    """Handlers that change something, and those that prepare it."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.routes = [
            web.post("/api/repos/create", self.create),
            web.delete("/api/repos/delete", self.delete),
            web.post("/api/validate-yaml", self.validate),
            web.post(f"{API}/preupload/{REVISION}", self.preupload),
            web.post(f"/{{kind:datasets}}/{GIT}/objects/batch", self.batch),
            web.post(f"/{GIT}/objects/batch", self.batch),
            web.post(f"/{{kind:datasets}}/{GIT}/verify", self.verify),
            web.post(f"/{GIT}/verify", self.verify),
            web.put("/storage/{sha256}/{path:.+}", self.upload),
            web.post("/storage/{sha256}/{path:.+}", self.complete),
            web.post(f"{API}/commit/{REVISION}", self.commit),
            web.post(f"{API}/tag/{REVISION}", self.tag),
            web.delete(f"{API}/tag/{{tag:.+}}", self.untag),
            web.post(f"{API}/branch/{{branch:.+}}", self.branch),
            web.delete(f"{API}/branch/{{branch:.+}}", self.unbranch),
            web.post(f"{API}/discussions", self.discuss),
            web.post(rf"{API}/discussions/{{num:\d+}}/comment", self.comment),
            web.post(rf"{API}/discussions/{{num:\d+}}/status", self.status),
            web.post(rf"{API}/discussions/{{num:\d+}}/merge", self.merge),
        ]

    async def create(self, request: web.Request) -> web.Response:
        asked, user = await request.json(), self.registry.named_user(request)
        path = _path(asked, user.name)
        url = f"{self.registry.endpoint}/{path}"
        if not user.owns(path.split("/")[-2]):
            raise Refused(
                403, f"You don't have the rights to create a {asked.get('type', 'model')} under this namespace"
            )
        if path in self.registry.repositories:
            message = f"You already created this {asked.get('type', 'model')} repo"
            return web.json_response({"error": message, "url": url}, status=409)
        made = self.registry.create(path, private=asked.get("visibility") == "private", author=user.name)
        return web.json_response({"url": url, "name": made.name, "id": made.name})

    async def delete(self, request: web.Request) -> web.Response:
        asked, user = await request.json(), self.registry.named_user(request)
        path = _path(asked, user.name)
        if path not in self.registry.repositories:
            raise Refused(404, "Repository not found", "RepoNotFound")
        if not user.owns(path.split("/")[-2]):
            raise Refused(403, "You don't have the rights to delete this repository")
        del self.registry.repositories[path]
        return web.Response()

    async def validate(self, request: web.Request) -> web.Response:
        content = (await request.json())["content"]
        parts = content.split("---\n", 2)
        if len(parts) < 3 or parts[0]:
            return web.json_response(
                {"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]}
            )
        try:
            known = isinstance(YAML(typ="safe").load(parts[1]), dict)
            message = "" if known else "the metadata is no mapping"
        except YAMLError as error:
            message = str(error)
        errors = [{"message": message}] if message else []
        return web.json_response({"errors": errors, "warnings": []}, status=400 if errors else 200)

    async def preupload(self, request: web.Request) -> web.Response:
        revision = request.match_info["revision"]
        repository = self._target(request, revision)
        there = repository.files(revision)
        return web.json_response(
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if repository.is_lfs(file["path"], file["size"], revision) else "regular",
                        "shouldIgnore": False,
                        **({"oid": there[file["path"]].etag} if file["path"] in there else {}),
                    }
                    for file in (await request.json())["files"]
                ]
            }
        )

    async def batch(self, request: web.Request) -> web.Response:
        asked = await request.json()
        ref = asked.get("ref")
        if ref is None:  # for a pull request
            repository, _ = self.registry.readable(request), self.registry.named_user(request)
        else:
            repository, _ = self.registry.writable(request, ref["name"])
        size, parts = self.registry.part_size, "multipart" in asked["transfers"]
        objects = []
        for each in asked["objects"]:
            entry = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in repository.uploaded:
                multipart = size if size is not None and parts and each["size"] > size else None
                entry |= {"authenticated": True, "actions": self._actions(repository, **entry, part_size=multipart)}
            objects.append(entry)
        return web.json_response({"transfer": "basic", "objects": objects})

    def _actions(self, repository: Repository, oid: str, size: int, part_size: int | None) -> dict[str, Any]:
        upload: dict[str, Any] = {"href": self.registry.storage(f"{oid}/{repository.path}")}
        if part_size is not None:
            parts = [self._part(oid, number) for number in range(1, -(-size // part_size) + 1)]
            addresses = {part.name.split("-")[-1]: self.registry.storage(f"{oid}/parts/{part.name}") for part in parts}
            upload["header"] = {"chunk_size": str(part_size), **addresses}
        verify = f"{self.registry.endpoint}/{repository.path}.git/info/lfs/verify"
        return {"upload": upload, "verify": {"href": verify}}

    def _part(self, oid: str, number: int) -> Path:
        return self.registry.blobs.folder / f"part-{oid}-{number}"

    async def upload(self, request: web.Request) -> web.Response:
        self.registry.check_signature(request)
        sha256, path = request.match_info["sha256"], request.match_info["path"]
        scratch, md5 = self.registry.blobs.scratch(), hashlib.md5()
        with scratch.open("wb") as file:
            async for chunk in request.content.iter_chunked(2**20):
                md5.update(chunk)
                file.write(chunk)
        if path.startswith("parts/"):
            scratch.rename(self.registry.blobs.folder / Path(path).name)
        else:
            self._keep(scratch, sha256, path)
        return web.Response(headers={"ETag": f'"{md5.hexdigest()}"'})

    async def complete(self, request: web.Request) -> web.Response:
        self.registry.check_signature(request)
        sha256, scratch = request.match_info["sha256"], self.registry.blobs.scratch()
        with scratch.open("wb") as file:
            for part in (await request.json())["parts"]:
                file.write(self._part(sha256, part["partNumber"]).read_bytes())
        self._keep(scratch, sha256, request.match_info["path"])
        return web.Response()

    def _keep(self, scratch: Path, sha256: str, path: str) -> None:
        self.registry.blobs.keep(scratch, sha256)
        self.registry[path].uploaded.add(sha256)

    async def verify(self, request: web.Request) -> web.Response:
        repository, asked = self.registry.readable(request), await request.json()
        self._uploaded(repository, asked)
        return web.Response()

    async def commit(self, request: web.Request) -> web.Response:
        revision, create_pr = request.match_info["revision"], "create_pr" in request.query
        repository = self._target(request, revision)
        lines = [json.loads(line) for line in (await request.read()).splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        changes = dict(self._change(repository, line) for line in lines if line["key"] != "header")
        author = self.registry.named_user(request).name
        arguments = {"parent": header.get("parentCommit"), "description": header.get("description", "")}
        answer: dict[str, Any] = {"success": True, "hookOutput": ""}
        if create_pr:
            pull, made = repository.open_pull(revision, changes, header["summary"], author, **arguments)
            answer["pullRequestUrl"] = f"{self.registry.endpoint}/{repository.path}/discussions/{pull.num}"
        else:
            made = repository.commit(revision, changes, header["summary"], author, **arguments)
        url = f"{self.registry.endpoint}/{repository.path}/commit/{made.oid}"
        return web.json_response({**answer, "commitOid": made.oid, "commitUrl": url})

    def _change(self, repository: Repository, line: dict[str, Any]) -> tuple[str, Blob | None]:
        key, value = line["key"], line["value"]
        path: str = value["path"]
        if key == "deletedFile":
            return path, None
        if key == "deletedFolder":
            return path.rstrip("/") + "/", None
        if key == "lfsFile":
            return path, self._uploaded(repository, value)
        if key != "file":
            raise Refused(400, f"Invalid operation: {key}")
        return path, self.registry.blobs.regular(base64.b64decode(value["content"]))

    def _uploaded(self, repository: Repository, named: dict[str, Any]) -> Blob:
        if named["oid"] not in repository.uploaded:
            raise Refused(400, f"LFS object {named['oid']} was not uploaded")
        blob = self.registry.blobs.large(named["oid"])
        if named.get("size", blob.size) != blob.size:
            raise Refused(400, f"LFS object {named['oid']} has {blob.size} bytes, not {named['size']}")
        return blob

    async def tag(self, request: web.Request) -> web.Response:
        repository, _ = self.registry.writable(request)
        repository.tag((await request.json())["tag"], request.match_info["revision"])
        return web.Response()

    async def untag(self, request: web.Request) -> web.Response:
        repository, _ = self.registry.writable(request)
        repository.drop(repository.tags, request.match_info["tag"])
        return web.Response()

    async def branch(self, request: web.Request) -> web.Response:
        repository, _ = self.registry.writable(request)
        repository.branch(request.match_info["branch"], (await request.json()).get("startingPoint", "main"))
        return web.Response()

    async def unbranch(self, request: web.Request) -> web.Response:
        repository, _ = self.registry.writable(request)
        repository.drop(repository.branches, request.match_info["branch"])
        return web.Response()

    async def discuss(self, request: web.Request) -> web.Response:
        repository, user, asked = (
            self.registry.readable(request),
            self.registry.named_user(request),
            await request.json(),
        )
        made = repository.discuss(asked["title"], user.name, repository.head if asked["pullRequest"] else "")
        made.comments.append((user.name, asked["description"]))
        return web.json_response({"num": made.num})

    async def comment(self, request: web.Request) -> web.Response:
        repository, user = self.registry.readable(request), self.registry.named_user(request)
        found = repository.discussion(int(request.match_info["num"]))
        found.comments.append((user.name, (await request.json())["comment"]))
        event = comment_event(str(len(found.comments) - 1), *found.comments[-1], found)
        return web.json_response({"newMessage": event})

    async def status(self, request: web.Request) -> web.Response:
        num = int(request.match_info["num"])
        repository, user = self.registry.writable(request, f"refs/pr/{num}")
        found = repository.discussion(num)
        found.status = (await request.json())["status"]
        event = comment_event("0", user.name, "", found) | {
            "type": "status-change",
            "data": {"status": found.status},
        }
        return web.json_response({"newStatus": event})

    async def merge(self, request: web.Request) -> web.Response:
        repository, user = self.registry.writable(request)
        repository.merge(int(request.match_info["num"]), user.name)
        return web.Response()

    def _target(self, request: web.Request, revision: str) -> Repository:
        """The repository, for one who may commit to the revision or wants to open a pull request."""
        if "create_pr" not in request.query:
            return self.registry.writable(request, revision)[0]
        self.registry.named_user(request)
        return self.registry.readable(request)


def _path(asked: dict[str, Any], user: str) -> str:
    prefix = "datasets/" if asked.get("type") == "dataset" else ""
    return f"{prefix}{asked.get('organization') or user}/{asked['name']}"
