"""A loopback Hub that the real clients read from and write to, with users and with faults.

`repository` is what git would know, `registry` who may do what, `reading` and `writing` the HTTP of it. There is no
Xet: uploads need `HF_HUB_DISABLE_XET=1`, and take the LFS path.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from support.background import listening
from support.hub.fault import Fault, Faults, nth, on, suffer
from support.hub.reading import Reading, set_etag
from support.hub.registry import Registry, User
from support.hub.repository import Blob, Blobs, Commit, Discussion, Refused, Repository
from support.hub.writing import Writing

__all__ = ["Blob", "Commit", "Discussion", "Fault", "Hub", "Repository", "User", "nth", "on", "serving_hub"]


@dataclass
class Hub(Registry):
    """What was asked, and what goes wrong."""

    asked: list[str] = field(default_factory=list)
    """`METHOD /path`, in order."""
    fault: Faults | None = None

    @web.middleware
    async def answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Refused as refused:
                headers = {"X-Error-Message": refused.message} | (
                    {"X-Error-Code": refused.code} if refused.code else {}
                )
                return web.json_response({"error": refused.message}, status=refused.status, headers=headers)

        if request.path == "/api/agent-harnesses":  # asked of itself, once a day, in some environments
            return await handle(request)
        self.asked.append(f"{request.method} {request.path}")
        fault = self.fault and self.fault(len(self.asked), request.method, request.path)
        return await suffer(fault, request, handle) if fault else await handle(request)


@asynccontextmanager
async def serving_hub(
    repos: Mapping[str, Path] | None = None, users: Mapping[str, User] | None = None
) -> AsyncIterator[Hub]:
    """Serve on a free port of the loopback interface; folders are published, in one commit with the tag v1.0.0."""
    with TemporaryDirectory() as folder:
        hub = Hub(Blobs(Path(folder)), users or {})
        for path, files in (repos or {}).items():
            hub.publish(path, files)
        app = web.Application(middlewares=[hub.answer], client_max_size=2**30)
        app.on_response_prepare.append(set_etag)
        app.add_routes([*Reading(hub).routes, *Writing(hub).routes])
        async with listening(app) as address:
            hub.endpoint = address
            yield hub
