"""Where a spec's text is read from: a local file, a URL, or a data set repository on the Hub at a pinned revision.

What is taken from a text that came from elsewhere is left to `inherited`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar, TypeAlias
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from offtraj.errors import HubError, SpecError, first_line

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

__all__ = ["HubFile", "LocalFile", "Origin", "WebFile", "origin_of"]

_MOST_BYTES = 2**20
_SECONDS = 30.0
_HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/]+))?/(?P<path>[^?#]+)")
_MOVING = ("HEAD", "main", "master")


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine."""

    path: Path
    foreign: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The path, as it was given."""
        return str(self.path)

    @property
    def key(self) -> str:
        """Equal exactly when two are the same file."""
        return str(self.path.resolve())

    def read(self) -> str:
        """The text.

        Raises:
            SpecError: for a file that is missing or cannot be read.
        """
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise SpecError(f"{self.path}: no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"{self.path}: cannot be read: {error}") from error


@dataclass(frozen=True)
class WebFile:
    """A file at an https URL, or at an http URL on the loopback interface."""

    url: str
    foreign: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The URL without its query, which may be a secret."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def key(self) -> str:
        """The URL."""
        return self.url

    def read(self) -> str:
        """The text, of at most 1 MiB, fetched within 30 s. Redirects to another origin are not followed.

        Raises:
            SpecError: when it cannot be fetched, is too large, or is no UTF-8.
        """
        import time
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request

        until = time.monotonic() + _SECONDS
        content = b""
        try:
            request = Request(self.url, headers={"User-Agent": "offtraj"})  # noqa: S310 - `origin_of` admits https only
            with _opener(self.url).open(request, timeout=_SECONDS) as answer:
                said = answer.headers.get("Content-Length", "")
                size = int(said) if said.isdecimal() else None
                while (size is None or len(content) < size) and (piece := answer.read1(2**16)):
                    content += piece
                    if len(content) > _MOST_BYTES:
                        raise SpecError(f"{self.name}: is larger than {_MOST_BYTES:,} bytes: not a spec")
                    if time.monotonic() > until:
                        raise SpecError(f"{self.name}: did not arrive within {_SECONDS:g} s")
            if size is not None and len(content) < size:  # half a spec may be a valid one
                raise SpecError(f"{self.name}: ended after {len(content):,} of {size:,} bytes: try again")
            return content.decode("utf-8")
        except (OSError, ValueError, HTTPException) as error:  # URLError and UnicodeDecodeError among them
            if isinstance(error, HTTPError):
                error.close()
            detail = str(error).replace(self.url, self.name).splitlines() or [type(error).__name__]
            raise SpecError(f"{self.name}: cannot be fetched: {detail[0]}") from None


@dataclass(frozen=True)
class HubFile:
    """A file of a data set repository on the Hub (or of `HF_ENDPOINT`), at a commit or tag."""

    repo: str
    revision: str
    path: str
    foreign: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`hf://ORG/NAME@REVISION/PATH`."""
        return f"hf://{self.repo}@{self.revision}/{self.path}"

    @property
    def key(self) -> str:
        """The name."""
        return self.name

    def read(self) -> str:
        """The text, of at most 1 MiB, from the client's cache where it is there already.

        Raises:
            HubError: when it cannot be fetched.
            SpecError: when it is too large, or no UTF-8.
        """
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

        repo, path, revision = self.repo, self.path, self.revision
        try:
            if not isinstance(try_to_load_from_cache(repo, path, repo_type="dataset", revision=revision), str):
                url = hf_hub_url(repo, path, repo_type="dataset", revision=revision)
                self._check_size(get_hf_file_metadata(url).size or 0)
            fetched = Path(hf_hub_download(repo, path, repo_type="dataset", revision=revision))
        except SpecError:
            raise
        except Exception as error:  # the client raises what its transport raises
            detail = first_line(error, empty="(no message)")
            raise HubError(f"{self.name}: cannot be fetched from the Hub: {type(error).__name__}: {detail}") from error
        self._check_size(fetched.stat().st_size)
        return LocalFile(fetched).read()

    def _check_size(self, size: int) -> None:
        if size > _MOST_BYTES:
            raise SpecError(f"{self.name}: is larger than {_MOST_BYTES:,} bytes: not a spec")


Origin: TypeAlias = LocalFile | WebFile | HubFile


def origin_of(reference: str, said_by: Origin) -> Origin:
    """The file that `extends: reference` names in a spec.

    A spec from a URL or the Hub may name files beside it, at the same origin or on the Hub, and nothing else.

    Raises:
        ValueError: for a reference that is not of these forms, saying which were expected.
    """
    scheme = urlsplit(reference).scheme if "://" in reference else ""
    if scheme == "hf":
        if isinstance(said_by, WebFile):
            raise ValueError("a spec from a URL may extend files of the same origin only")
        return _hub_file(reference)
    if scheme in ("http", "https"):
        if isinstance(said_by, HubFile) or (
            isinstance(said_by, WebFile) and _origin(reference) != _origin(said_by.url)
        ):
            raise ValueError(f"a spec from {said_by.name} may not name another host")
        return _web_file(reference)
    if scheme:
        raise ValueError("expected a path, an https URL, or hf://ORG/NAME@REVISION/spec.yaml")
    if isinstance(said_by, LocalFile):
        return _local_file(reference, said_by.path.parent)
    if reference.startswith(("/", "~")) or ".." in PurePosixPath(reference).parts or "\\" in reference:
        raise ValueError("a spec from a URL or the Hub may extend files beside it only")
    if isinstance(said_by, WebFile):
        return _web_file(urljoin(said_by.url, reference))
    return HubFile(said_by.repo, said_by.revision, (PurePosixPath(said_by.path).parent / reference).as_posix())


def _local_file(reference: str, folder: Path) -> LocalFile:
    if "\0" in reference:
        raise ValueError("a path has no NUL character")
    try:
        return LocalFile(folder / Path(reference).expanduser())
    except RuntimeError as error:  # `~NAME` of a user who does not exist
        raise ValueError(str(error)) from None


def _hub_file(reference: str) -> HubFile:
    match = _HUB.fullmatch(reference)
    if match is None or ".." in match["path"].split("/"):
        raise ValueError("expected hf://ORG/NAME@REVISION/spec.yaml")
    if match["revision"] is None or match["revision"] in _MOVING:
        raise ValueError(
            f"pin the revision: expected hf://{match['repo']}@REVISION/{match['path']} with a tag such as v1.0.0, or a "
            "commit"
        )
    return HubFile(match["repo"], match["revision"], match["path"])


def _web_file(reference: str) -> WebFile:
    parts = urlsplit(reference)
    if "@" in parts.netloc:
        raise ValueError("a user and password in the URL are not sent")
    if not parts.hostname or not (parts.scheme == "https" or _is_loopback(parts)):
        raise ValueError("expected an https URL (http on the loopback interface only)")
    return WebFile(reference)


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _opener(url: str) -> OpenerDirector:
    """An opener that stays at the URL's origin, and asks no proxy for what is on this machine."""
    from urllib.error import HTTPError
    from urllib.request import BaseHandler, HTTPRedirectHandler, ProxyHandler, build_opener

    class SameOrigin(HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            if _origin(newurl) != _origin(url):
                raise HTTPError(req.full_url, code, "redirects to another host", headers, fp)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    def handlers() -> Iterator[BaseHandler]:
        yield SameOrigin()
        if _is_loopback(urlsplit(url)):
            yield ProxyHandler({})

    return build_opener(*handlers())
