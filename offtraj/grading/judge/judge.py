"""The LLM judge, which rules where the rule finds a difference or cannot decide (paper, section 3.1, appendix B).

Replies are kept in the store: a run that is killed and started again asks for no reply twice. The prompt is left to
`prompt`, the reading of replies to `reply`, and when the judge is asked to the domain's grader.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import NamedTuple

from offtraj._util.digest import content_id
from offtraj.engines.chat import Chat, open_chat
from offtraj.errors import UsageError
from offtraj.grading.judge.prompt import judge_messages
from offtraj.grading.judge.reply import Label, read_reply
from offtraj.model.completion import Completion, Failure, Message
from offtraj.spec import JudgeSpec, OpenAISpec, SpecFile, TransformersSpec
from offtraj.store import Origin, Store

__all__ = ["Judge", "JudgeUsage", "ResolvedJudge", "Ruling", "declared_judge", "open_judge"]

_ATTEMPTS = 3  # a reply that cannot be read is asked for again
_GIVE_UP_AFTER = 10  # consecutive failures, each after the client's own retries


class ResolvedJudge(NamedTuple):
    """A judge and its engine as a spec declares them, with variables and paths resolved."""

    judge: JudgeSpec
    engine: OpenAISpec | TransformersSpec


class Ruling(NamedTuple):
    """A judge's ruling on one answer."""

    label: Label | None
    reason: str = ""
    """Why there is no label: `judge_unreadable` (after three replies), `judge_over_max_calls`,
    `judge_failed: …` (not reached, refused, malformed)."""


@dataclass
class JudgeUsage:
    """Token usage of a judge in this process; replies from the store are not counted."""

    calls: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    """Tokens of replies."""


class Judge:
    """Rules on answers; the same question, gold answer and answer only once."""

    def __init__(self, chat: Chat, store: Store, *, max_tokens: int = 4096, max_calls: int | None = None) -> None:
        """Ask `chat` for replies that `store` does not hold.

        Args:
            chat: The model.
            store: Where its replies are kept.
            max_tokens: Largest number of tokens of a reply, including its thinking.
            max_calls: Largest number of calls that this object makes; unlimited by default.
        """
        self.identity = chat.identity
        self.usage = JudgeUsage()
        self._chat, self._store = chat, store
        self._max_tokens, self._max_calls = max_tokens, max_calls
        self._origin = Origin(chat.identity, chat.identity, json.dumps({"temperature": 0, "max_tokens": max_tokens}))
        self._ruling: dict[str, asyncio.Task[Ruling]] = {}
        self._failed_in_a_row = 0

    async def rule(self, question: str, gold: str, answer: str) -> Ruling:
        """The ruling on an answer; without a label where the judge gives no readable one.

        Raises:
            EngineError: when the judge refuses the key, or does not exist.
            StoreError: when a reply cannot be kept.
        """
        messages = judge_messages(question, gold, answer)
        key = content_id("judge/1", self.identity, self._max_tokens, [list(message) for message in messages])
        task = self._ruling.get(key)
        if task is None:
            task = self._ruling[key] = asyncio.create_task(self._rule(key, messages))
            task.add_done_callback(lambda _: self._ruling.pop(key, None))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Cancel pending rulings and release the model."""
        for task in self._ruling.values():
            task.cancel()
        await asyncio.gather(*self._ruling.values(), return_exceptions=True)
        await self._chat.close()

    async def _rule(self, key: str, messages: tuple[Message, ...]) -> Ruling:
        for attempt in range(_ATTEMPTS):
            completion = self._store.completion(key, attempt)
            if completion is None:
                reply = await self._ask(key, messages, attempt)
                if isinstance(reply, Ruling):
                    return reply
                completion = reply
            label = read_reply(completion.text, completion.finish_reason)
            if label is not None:
                return Ruling(label)
        return Ruling(None, "judge_unreadable")

    async def _ask(self, key: str, messages: tuple[Message, ...], attempt: int) -> Completion | Ruling:
        if self._failed_in_a_row >= _GIVE_UP_AFTER:
            return Ruling(None, f"judge_failed: given up after {_GIVE_UP_AFTER} failures in a row")
        if self._max_calls is not None and self.usage.calls >= self._max_calls:
            return Ruling(None, "judge_over_max_calls")
        self.usage.calls += 1
        reply = await self._chat.ask(messages, max_tokens=self._max_tokens, seed=attempt)
        if isinstance(reply, Failure):
            self._failed_in_a_row += 1
            return Ruling(None, f"judge_failed: {reply.message}")
        self._failed_in_a_row = 0
        self.usage.prompt_tokens += reply.prompt_tokens or 0
        self.usage.tokens += reply.tokens or 0
        self._store.put_completions([(key, attempt, reply)], self._origin)
        return reply


def declared_judge(file: SpecFile) -> ResolvedJudge | None:
    """The judge that a spec declares; `None` for a spec without one.

    Raises:
        SpecError: for a variable that is not set, or a folder that does not exist.
        UsageError: for an engine that does not speak chat.
    """
    judge = file.spec.judge
    if judge is None:
        return None
    match file.spec.engines[judge.engine]:
        case OpenAISpec() as engine:
            url = file.expand(engine.base_url, "engines", judge.engine, "base_url")
            return ResolvedJudge(judge, engine.model_copy(update={"base_url": url}))
        case TransformersSpec() as engine:
            path = file.model_path(judge.model, "judge", "model")
            return ResolvedJudge(judge.model_copy(update={"model": path}), engine)
        case engine:
            raise UsageError(
                f"{file.place('judge', 'engine')}: {judge.engine!r} is of kind {engine.kind!r}, which does not speak "
                "chat, and a judge is asked in chat: use an engine of kind openai (any server that has "
                "`/v1/chat/completions`) or transformers"
            )


def open_judge(declared: ResolvedJudge | None, store: Store) -> Judge | None:
    """The judge, ready to be asked; `None` for none declared. Nothing is sent yet.

    Raises:
        EngineError: for a key or model that is missing.
    """
    if declared is None:
        return None
    judge, engine = declared
    return Judge(open_chat(engine, judge.model), store, max_tokens=judge.max_tokens, max_calls=judge.max_calls)
