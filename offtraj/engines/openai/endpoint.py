"""One OpenAI-compatible server over HTTP: what may succeed is tried again, and what cannot is not."""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit, urlunsplit

from offtraj.engines.openai.limiter import Limiter
from offtraj.errors import EngineError, UsageError, first_line
from offtraj.spec import OpenAISpec

if TYPE_CHECKING:
    import openai

__all__ = [
    "Absent",
    "Endpoint",
    "Malformed",
    "Rejected",
    "ServedModel",
    "Unanswered",
    "chosen",
    "open_endpoint",
    "public_url",
]

T = TypeVar("T")

_PACING = frozenset({425, 429, 503, 529})  # the server wants less of us, not something else
_PASSING = frozenset({408, 409})  # and all from 500 on
_BACK_OFF = 0.5, 30.0  # seconds: at first, and at most
_PROBE_SECONDS = 10.0
_QUEUE = re.compile(r"^(?:vllm:num_requests_waiting|sglang:num_queue_reqs)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class Rejected(Exception):
    """The server will never take this request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Unanswered(Exception):
    """No usable answer, after all retries."""


class Absent(Unanswered):
    """Nobody listens at the address, or not any more."""


class Malformed(ValueError):
    """An answer that is none; it is asked for again."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model, as the server lists it."""

    id: str
    max_model_len: int | None
    """Tokens of prompt and completion together, where the server says so."""


class Endpoint:
    """A server, by its base URL. Requests are sent as they come; how many is the caller's business (`limiter`).

    Time-outs, cut connections, 5xx and answers that cannot be read are tried again `max_retries` times, with back-off.
    Refusals (429, 503) are the server's pacing: they are waited out, all requests together, for up to `patience`
    seconds, `Retry-After` honoured. So is a server that was there and is gone. Keys are never part of a message.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        timeout: float = 3600.0,
        max_retries: int = 5,
        patience: float = 600.0,
        most: int | None = None,
        revive: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            base_url: Such as `http://127.0.0.1:8000/v1`.
            key: Sent as a bearer token.
            timeout: Seconds that one request may take in all.
            max_retries: How often what failed is sent again.
            patience: Seconds that the server may refuse, or be away.
            most: Samples in flight, at most; adapts below.
            revive: Awaited when nobody listens: returns when somebody does, or raises an `EngineError`.
        """
        self.base_url = base_url.rstrip("/")
        self.limiter = Limiter(most)
        self.faults: Counter[str] = Counter()
        """What went wrong and was tried again, by what it was."""
        self._key = key
        self._timeout, self._max_retries, self._patience = timeout, max_retries, patience
        self._revive = revive
        self._reached = False
        self._not_before = 0.0
        self._return: asyncio.Task[None] | None = None
        self._returned_at = float("-inf")

    async def post(
        self, path: str, body: Mapping[str, Any], read: Callable[[dict[str, Any]], T], *, attempts: int | None = None
    ) -> T:
        """Send a request, and what `read` makes of the answer's JSON.

        Args:
            path: Below the base URL, such as `/completions`.
            body: Sent as JSON.
            read: Raises `Malformed` for what it cannot use; that is asked for again.
            attempts: How often it is sent at most; `max_retries` and one by default.

        Raises:
            Rejected: for a 4xx that will not pass.
            Unanswered: after all retries; `Absent` when nobody listens.
            EngineError: when reviving the server fails.
        """
        left = self._max_retries if attempts is None else attempts - 1
        refused_since: float | None = None
        failed = 0
        while True:
            await self._paced()
            started = time.monotonic()
            try:
                return await self._once("post", path, body, read)
            except _Paced as pace:
                self.limiter.refused(time.monotonic(), started)
                refused_since = refused_since or started
                wait = pace.after if pace.after is not None else _back_off(failed)
                if time.monotonic() + wait > refused_since + self._patience:
                    asked = "" if pace.after is None else f", and asks to wait {pace.after:.0f} s more"
                    raise Unanswered(
                        f"refused for longer than `patience`, {self._patience:g} s{asked}: {pace}"
                    ) from None
                self._not_before = max(self._not_before, time.monotonic() + wait)
                failed += 1
            except _Refused as error:
                await self._wait_for_return(started, error)
                if not left:
                    raise Unanswered(str(error)) from None
                left -= 1
            except _Failed as error:
                if error.slow:
                    self.limiter.refused(time.monotonic(), started)
                if not left:
                    raise Unanswered(str(error)) from None
                left -= 1
                await asyncio.sleep(_back_off(failed))
                failed += 1

    async def models(self) -> list[ServedModel]:
        """The models that are served. Asked again as often as other requests.

        Raises:
            Rejected: for a server that lists none, or refuses the key.
            Unanswered: after all retries.
        """
        for attempt in range(self._max_retries + 1):
            try:
                return await self._once("get", "/models", None, _read_models)
            except (_Failed, _Paced) as error:
                if attempt == self._max_retries:
                    raise Unanswered(str(error)) from None
                await asyncio.sleep(getattr(error, "after", None) or _back_off(attempt))
            except _Refused as error:
                raise Absent(str(error)) from None
        raise AssertionError

    async def waiting(self) -> int | None:
        """Requests in the server's own queue, where it says so (`/metrics` of vLLM and SGLang)."""
        import openai

        parts = urlsplit(self.base_url)
        address = urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix("/v1") + "/metrics", "", ""))
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                text = await self._client.get(address, cast_to=str)
        except (openai.OpenAIError, OSError, ValueError, TimeoutError):
            return None
        found = _QUEUE.findall(text)
        return sum(int(float(value)) for value in found) if found else None

    async def close(self) -> None:
        """Close the connections."""
        if self._return is not None:
            self._return.cancel()
            await asyncio.gather(self._return, return_exceptions=True)
        if "_client" in self.__dict__:
            await self._client.close()

    @cached_property
    def _client(self) -> openai.AsyncOpenAI:
        import openai

        return openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=self._key or "none",
            timeout=self._timeout,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(timeout=self._timeout),
        )

    async def _once(
        self, method: str, path: str, body: Mapping[str, Any] | None, read: Callable[[dict[str, Any]], T]
    ) -> T:
        import openai

        try:
            async with asyncio.timeout(self._timeout):
                if method == "get":
                    answer = await self._client.get(path, cast_to=object)
                else:
                    answer = await self._client.post(path, cast_to=object, body=body)
        except openai.APIStatusError as error:
            self._status(error)
        except openai.APITimeoutError as error:
            if _nobody(error):  # the client calls that a time-out, too
                raise _Refused(self._said(error)) from None
            raise self._failed("time-out", f"no answer within {self._timeout:g} s", slow=True) from None
        except TimeoutError:
            raise self._failed("time-out", f"no answer within {self._timeout:g} s", slow=True) from None
        except openai.APIConnectionError as error:
            if _nobody(error):
                raise _Refused(self._said(error)) from None
            raise self._failed("connection cut", self._said(error)) from None
        except (openai.OpenAIError, ValueError, UnicodeError) as error:  # the body is no JSON
            raise self._failed("malformed answer", f"malformed answer: {self._said(error)}") from None
        self._reached = True
        if not isinstance(answer, dict):
            raise self._failed("malformed answer", f"malformed answer: {str(answer)[:80]!r}")
        try:
            return read(answer)
        except Malformed as error:
            raise self._failed("malformed answer", f"malformed answer: {error}") from None

    def _status(self, error: openai.APIStatusError) -> NoReturn:
        """Raise what a status means."""
        self._reached = True
        status, message = error.status_code, self._without_key(_server_says(error.body))
        if status in _PACING:
            self.faults[str(status)] += 1
            raise _Paced(f"{status}: {message}", _retry_after(error.response.headers)) from None
        if status >= 500 or status in _PASSING:
            raise self._failed(str(status), f"{status}: {message}") from None
        raise Rejected(status, message) from None

    def _failed(self, kind: str, message: str, *, slow: bool = False) -> _Failed:
        self.faults[kind] += 1
        return _Failed(message, slow=slow)

    def _said(self, error: BaseException) -> str:
        """The first line of an error and of what caused it: no headers, no key."""
        parts = [f"{type(error).__name__}: {first_line(error, empty='(no message)')[:300]}"]
        if error.__cause__ is not None and str(error.__cause__):
            parts.append(first_line(error.__cause__)[:300])
        return self._without_key(": ".join(parts))

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text

    async def _paced(self) -> None:
        while (wait := self._not_before - time.monotonic()) > 0:  # noqa: ASYNC110 - it may be put off meanwhile
            await asyncio.sleep(wait + random.uniform(0, 0.1))  # noqa: S311 - so that not all come back at once

    async def _wait_for_return(self, started: float, error: _Refused) -> None:
        """Wait until somebody listens again; once for all requests.

        Raises:
            Absent: when nobody ever did, or nobody does within `patience`.
        """
        if not self._reached and self._revive is None:
            raise Absent(str(error))
        self.faults["nobody listens"] += 1
        if started < self._returned_at:
            return  # it came back since
        if self._return is None or self._return.done():
            self._return = asyncio.create_task(self._returned(str(error)))
        await asyncio.shield(self._return)

    async def _returned(self, message: str) -> None:
        if self._revive is not None:
            await self._revive()
        else:
            given_up = time.monotonic() + self._patience
            for attempt in range(2**31):
                try:
                    await self._once("get", "/models", None, lambda _: None)
                except _Refused:
                    if time.monotonic() >= given_up:
                        raise Absent(f"the server is gone, for {self._patience:g} s by now: {message}") from None
                    await asyncio.sleep(min(_back_off(attempt), 5.0, max(0.01, given_up - time.monotonic())))
                except (_Failed, _Paced, Rejected):
                    break
                else:
                    break
        self._returned_at = time.monotonic()


class _Paced(Exception):
    """The server wants less of us."""

    def __init__(self, message: str, after: float | None) -> None:
        super().__init__(message)
        self.after = after


class _Refused(Exception):
    """Nobody listens."""


class _Failed(Exception):
    """This may pass."""

    def __init__(self, message: str, *, slow: bool) -> None:
        super().__init__(message)
        self.slow = slow


def open_endpoint(spec: OpenAISpec, base_url: str) -> Endpoint:
    """The server that a spec declares; nothing is sent yet.

    Raises:
        EngineError: when the spec names a key that the environment does not hold.
        UsageError: for credentials in the URL.
    """
    if "@" in urlsplit(base_url).netloc:
        raise UsageError(
            f"{public_url(base_url)}: a user and password in the URL are not sent: put the key into an environment "
            "variable, and name that as `api_key_env`"
        )
    key = None
    if spec.api_key_env is not None:
        key = os.environ.get(spec.api_key_env, "")
        if not key:
            raise EngineError(f"{public_url(base_url)}: the key's environment variable {spec.api_key_env} is not set")
    return Endpoint(
        base_url,
        key=key,
        timeout=spec.timeout,
        max_retries=spec.max_retries,
        patience=spec.patience,
        most=spec.concurrency,
    )


def chosen(listed: Sequence[ServedModel], names: Sequence[str]) -> ServedModel | None:
    """The model of the first of these names that is served; or the only one that is, whatever its name."""
    by_name = {model.id: model for model in listed}
    found = next((by_name[name] for name in names if name in by_name), None)
    return listed[0] if found is None and len(listed) == 1 else found


def public_url(base_url: str) -> str:
    """The URL without what may be a secret: user, password, query and fragment."""
    parts = urlsplit(base_url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _read_models(answer: dict[str, Any]) -> list[ServedModel]:
    try:
        listed = [(str(model["id"]), model.get("max_model_len")) for model in answer["data"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(str(answer)[:80]) from error
    return [ServedModel(name, length if isinstance(length, int) else None) for name, length in listed]


def _server_says(body: object) -> str:
    """The message of an error's body, in whichever of the usual places it stands."""
    if isinstance(body, dict):
        for name in ("message", "detail", "error"):
            if body.get(name):
                return _server_says(body[name])
    lines = str(body).strip().splitlines() if body else []
    return lines[0][:300] if lines else "(no message)"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks us to wait: a number, or until a date."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _back_off(attempt: int) -> float:
    least, most = _BACK_OFF
    return min(most, least * 2.0 ** min(attempt, 16)) * random.uniform(0.5, 1.0)  # noqa: S311


def _nobody(error: BaseException) -> bool:
    """Whether the connection was refused."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionRefusedError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None
