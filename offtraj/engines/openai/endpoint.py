"""One OpenAI-compatible server over HTTP: requests that may succeed are retried, others fail at once.

How prompts are written and answers read is left to `wire`, and how many samples are in flight to `limiter`.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit, urlunsplit

from offtraj.engines.openai.failure import (
    Absent,
    Failed,
    Malformed,
    Paced,
    Refused,
    Rejected,
    Unanswered,
    error_message,
    is_refusal,
    retry_after,
)
from offtraj.engines.openai.limiter import Limiter
from offtraj.engines.openai.listing import ServedModel, read_models
from offtraj.errors import EngineError, UsageError, first_line
from offtraj.spec import OpenAISpec

if TYPE_CHECKING:
    import openai

__all__ = ["Endpoint", "open_endpoint", "public_url"]

T = TypeVar("T")

_PACING = frozenset({425, 429, 503, 529})  # the server asks for fewer requests
_PASSING = frozenset({408, 409})  # temporary, as is every status from 500
_BACK_OFF = 0.5, 30.0  # seconds: at first, and at most
_PROBE_SECONDS = 10.0
_QUEUE = re.compile(r"^(?:vllm:num_requests_waiting|sglang:num_queue_reqs)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class Endpoint:
    """A server, by its base URL. Requests are sent at once; the caller limits how many (`limiter`).

    Time-outs, cut connections, 5xx and malformed answers are retried `max_retries` times, with back-off. After a
    refusal (429, 503) all requests wait together, as long as `Retry-After` asks, and for at most `max_wait` seconds
    in all. The same holds for a server that stops listening. Keys never appear in messages.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        timeout: float = 3600.0,
        max_retries: int = 5,
        max_wait: float = 600.0,
        most: int | None = None,
        revive: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            base_url: The API's URL, such as `http://127.0.0.1:8000/v1`.
            key: The bearer token.
            timeout: Seconds for one request in all.
            max_retries: Retries of a failed request.
            max_wait: Seconds that the server may refuse requests or be unreachable.
            most: Largest number of samples in flight; the limit adapts below it.
            revive: Awaited when no process listens. Returns when one does, or raises an `EngineError`.
        """
        self.base_url = base_url.rstrip("/")
        self.limiter = Limiter(most)
        self.faults: Counter[str] = Counter()
        """Number of failures that were retried, by kind."""
        self._key = key
        self._timeout, self._max_retries, self._max_wait = timeout, max_retries, max_wait
        self._revive = revive
        self._reached = False
        self._not_before = 0.0
        self._return: asyncio.Task[None] | None = None
        self._returned_at = float("-inf")

    async def post(
        self, path: str, body: Mapping[str, Any], read: Callable[[dict[str, Any]], T], *, attempts: int | None = None
    ) -> T:
        """What `read` makes of the answer's JSON.

        Args:
            path: Below the base URL, such as `/completions`.
            body: Sent as JSON.
            read: Raises `Malformed` for an answer that it cannot use; the request is then sent again.
            attempts: Number of attempts in all; `max_retries` + 1 by default.

        Raises:
            Rejected: for a 4xx that is not temporary.
            Unanswered: after all retries; `Absent` when no process listens.
            EngineError: when `revive` fails.
        """
        left = self._max_retries if attempts is None else attempts - 1
        refused_since: float | None = None
        failed = 0
        while True:
            await self._paced()
            started = time.monotonic()
            try:
                return await self._once("post", path, body, read)
            except Paced as pace:
                self.limiter.refused(time.monotonic(), started)
                refused_since = refused_since or started
                wait = pace.after if pace.after is not None else _back_off(failed)
                if time.monotonic() + wait > refused_since + self._max_wait:
                    asked = "" if pace.after is None else f", and asks to wait {pace.after:.0f} s more"
                    raise Unanswered(
                        f"refused for longer than `max_wait`, {self._max_wait:g} s{asked}: {pace}"
                    ) from None
                self._not_before = max(self._not_before, time.monotonic() + wait)
                failed += 1
            except Refused as error:
                await self._wait_for_return(started, error)
                if not left:
                    raise Unanswered(str(error)) from None
                left -= 1
            except Failed as error:
                if error.slow:
                    self.limiter.refused(time.monotonic(), started)
                if not left:
                    raise Unanswered(str(error)) from None
                left -= 1
                await asyncio.sleep(_back_off(failed))
                failed += 1

    async def models(self) -> list[ServedModel]:
        """The models that are served. Retried like other requests.

        Raises:
            Rejected: for a server that lists none, or refuses the key.
            Unanswered: after all retries.
        """
        for attempt in range(self._max_retries + 1):
            try:
                return await self._once("get", "/models", None, read_models)
            except (Failed, Paced) as error:
                if attempt == self._max_retries:
                    raise Unanswered(str(error)) from None
                await asyncio.sleep(getattr(error, "after", None) or _back_off(attempt))
            except Refused as error:
                raise Absent(str(error)) from None
        raise AssertionError

    async def waiting(self) -> int | None:
        """Number of requests in the server's queue, from `/metrics` of vLLM and SGLang; `None` elsewhere."""
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
            if is_refusal(error):  # the client reports that as a time-out, too
                raise Refused(self._describe(error)) from None
            raise self._failed("time-out", f"no answer within {self._timeout:g} s", slow=True) from None
        except TimeoutError:
            raise self._failed("time-out", f"no answer within {self._timeout:g} s", slow=True) from None
        except openai.APIConnectionError as error:
            if is_refusal(error):
                raise Refused(self._describe(error)) from None
            raise self._failed("connection cut", self._describe(error)) from None
        except (openai.OpenAIError, ValueError, UnicodeError) as error:  # the body is not JSON
            raise self._failed("malformed answer", f"malformed answer: {self._describe(error)}") from None
        self._reached = True
        if not isinstance(answer, dict):
            raise self._failed("malformed answer", f"malformed answer: {str(answer)[:80]!r}")
        try:
            return read(answer)
        except Malformed as error:
            raise self._failed("malformed answer", f"malformed answer: {error}") from None

    def _status(self, error: openai.APIStatusError) -> NoReturn:
        """Raise the error that a status stands for."""
        self._reached = True
        status, message = error.status_code, self._without_key(error_message(error.body))
        if status in _PACING:
            self.faults[str(status)] += 1
            raise Paced(f"{status}: {message}", retry_after(error.response.headers)) from None
        if status >= 500 or status in _PASSING:
            raise self._failed(str(status), f"{status}: {message}") from None
        raise Rejected(status, message) from None

    def _failed(self, kind: str, message: str, *, slow: bool = False) -> Failed:
        self.faults[kind] += 1
        return Failed(message, slow=slow)

    def _describe(self, error: BaseException) -> str:
        """The first line of an error and of its cause, without headers and key."""
        parts = [f"{type(error).__name__}: {first_line(error, empty='(no message)')[:300]}"]
        if error.__cause__ is not None and str(error.__cause__):
            parts.append(first_line(error.__cause__)[:300])
        return self._without_key(": ".join(parts))

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text

    async def _paced(self) -> None:
        while (wait := self._not_before - time.monotonic()) > 0:  # noqa: ASYNC110 - another refusal may extend the wait
            await asyncio.sleep(wait + random.uniform(0, 0.1))  # noqa: S311 - so that requests do not all resume at once

    async def _wait_for_return(self, started: float, error: Refused) -> None:
        """Wait until a process listens again; one wait for all requests.

        Raises:
            Absent: when none ever did, or none does within `max_wait`.
        """
        if not self._reached and self._revive is None:
            raise Absent(str(error))
        self.faults["connection refused"] += 1
        if started < self._returned_at:
            return  # it has returned since
        if self._return is None or self._return.done():
            self._return = asyncio.create_task(self._returned(str(error)))
        await asyncio.shield(self._return)

    async def _returned(self, message: str) -> None:
        if self._revive is not None:
            await self._revive()
        else:
            given_up = time.monotonic() + self._max_wait
            for attempt in range(2**31):
                try:
                    await self._once("get", "/models", None, lambda _: None)
                except Refused:
                    if time.monotonic() >= given_up:
                        raise Absent(f"the server is gone, for {self._max_wait:g} s by now: {message}") from None
                    await asyncio.sleep(min(_back_off(attempt), 5.0, max(0.01, given_up - time.monotonic())))
                except (Failed, Paced, Rejected):
                    break
                else:
                    break
        self._returned_at = time.monotonic()


def open_endpoint(spec: OpenAISpec, base_url: str) -> Endpoint:
    """The server that a spec declares. Nothing is sent yet.

    Raises:
        EngineError: when the key's environment variable is not set.
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
        max_wait=spec.max_wait,
        most=spec.concurrency,
    )


def public_url(base_url: str) -> str:
    """The URL without parts that may be secret: user, password, query and fragment."""
    parts = urlsplit(base_url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _back_off(attempt: int) -> float:
    least, most = _BACK_OFF
    return min(most, least * 2.0 ** min(attempt, 16)) * random.uniform(0.5, 1.0)  # noqa: S311
