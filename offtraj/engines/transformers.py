"""A model in this process, with transformers: token ids in, token ids out, on a GPU or the CPU."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from offtraj.engines.engine import Opening
from offtraj.errors import EngineError, first_line, import_extra
from offtraj.model.completion import Completion, PromptMode, Reply, Request
from offtraj.model.model import Model
from offtraj.spec import TransformersSpec

if TYPE_CHECKING:
    import torch

__all__ = ["LocalEngine", "open_transformers"]

_PURPOSE = "running a model in this process"
_WINDOW = 8  # batches that are sorted by length together, so that little is padded


class _Sequence(NamedTuple):
    """One sample of one request."""

    request: Request
    sample: int
    ids: tuple[int, ...]
    budget: int
    """Tokens that it may still write."""


class LocalEngine:
    """Batches of sequences through `generate`, in a separate thread so that grading runs concurrently.

    A sample depends on its prompt and its seed, not on its batch: each sequence draws from its own generator, so an
    interrupted run continues with the same samples (up to rounding in the model, where the width of a batch changes
    the order of sums).
    """

    prompt_mode: PromptMode = "ids"

    def __init__(
        self, model: Model, *, batch: int, dtype: str = "auto", device: str = "auto", clip: bool = False
    ) -> None:
        """Nothing is loaded before the first request.

        With `clip`, a context shorter than `max_tokens` becomes the limit instead of an error.

        Raises:
            MissingExtraError: without torch.
        """
        import_extra("torch", extra="local", purpose=_PURPOSE)
        import_extra("accelerate", extra="local", purpose=_PURPOSE)
        assert model.format is not None  # only recordings have none
        self.identity = model.identity
        self._model = model
        self._tokenizer = model.format.tokenizer
        self._batch, self._dtype, self._device = batch, dtype, device
        self._clip = clip
        self._loaded: _Loaded | None = None

    def facts(self) -> dict[str, Any]:
        """What a run's record says of the engine."""
        return {"mode": self.prompt_mode, "context": None if self._loaded is None else self._loaded.context}

    async def replies(self, requests: Iterable[Request]) -> AsyncIterator[Reply]:
        """A reply for each sample, a batch at a time; short prompts of a window first.

        Raises:
            EngineError: when the model cannot be loaded, has too short a context, or too little memory for one sequence.
        """
        pending = self._sequences(requests)
        while window := list(islice(pending, self._batch * _WINDOW)):
            window.sort(key=lambda sequence: len(sequence.ids))
            while window:
                batch, window = window[: self._batch], window[self._batch :]
                try:
                    completions = await self._generate(batch)
                except _OutOfMemory:
                    if self._batch == 1:
                        raise EngineError(
                            f"out of memory with one sequence of {len(batch[0].ids)} prompt tokens: use a larger "
                            "GPU, `dtype: bfloat16`, or an engine of kind openai"
                        ) from None
                    self._batch = max(1, self._batch // 2)
                    window = batch + window
                    continue
                for sequence, completion in zip(batch, completions, strict=True):
                    yield Reply(sequence.request, sequence.sample, completion)

    async def close(self) -> None:
        """Release the model."""
        self._loaded = None

    def _sequences(self, requests: Iterable[Request]) -> Iterator[_Sequence]:
        for request in requests:
            assert request.prompt is not None
            self._loaded = self._loaded or _load(self._model, self._dtype, self._device)
            ids, most, context = request.prompt.ids, request.params.max_tokens, self._loaded.context
            if most > context and not self._clip:
                raise EngineError(
                    f"{self._model.id}: its context is {context} tokens of prompt and completion, and `sampling.max_tokens` is "
                    f"{most}: lower max_tokens, or take a model with a longer context"
                )
            budget = min(most, context) - len(ids)
            for sample in request.samples:
                yield _Sequence(request, sample, ids, max(0, budget))

    async def _generate(self, batch: Sequence[_Sequence]) -> list[Completion]:
        stop = threading.Event()
        work = asyncio.create_task(asyncio.to_thread(self._generate_blocking, batch, stop))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()  # the thread ends at its next token
            await asyncio.wait([work])
            raise

    def _generate_blocking(self, batch: Sequence[_Sequence], stop: threading.Event) -> list[Completion]:
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        assert self._loaded is not None
        model, pad = self._loaded.model, self._loaded.pad
        live = [sequence for sequence in batch if sequence.budget > 0]
        done = {id(s): Completion("", "length", len(s.ids), 0) for s in batch if s.budget == 0}
        if live:
            width = max(len(sequence.ids) for sequence in live)
            ids = torch.tensor([[pad] * (width - len(s.ids)) + list(s.ids) for s in live])
            mask = torch.tensor([[0] * (width - len(s.ids)) + [1] * len(s.ids) for s in live])
            try:
                with torch.inference_mode():
                    output = model.generate(
                        ids.to(model.device),
                        attention_mask=mask.to(model.device),
                        max_new_tokens=max(sequence.budget for sequence in live),
                        do_sample=False,  # the processor below leaves one token to choose
                        logits_processor=LogitsProcessorList([_Sampler(live, torch)]),
                        stopping_criteria=StoppingCriteriaList([_Budgets(live, width, stop, torch)]),
                    )
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                raise _OutOfMemory from None
            for sequence, row in zip(live, output[:, width:].tolist(), strict=True):
                done[id(sequence)] = self._completion(sequence, row)
        return [done[id(sequence)] for sequence in batch]

    def _completion(self, sequence: _Sequence, row: list[int]) -> Completion:
        assert self._loaded is not None
        end = next((at for at, token in enumerate(row) if token in self._loaded.eos), None)
        ended = end is not None and end < sequence.budget
        written = row[:end] if ended else row[: sequence.budget]
        text = self._tokenizer.decode(written, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        tokens = len(written) + (1 if ended else 0)  # the end token was sampled, too
        return Completion(str(text), "stop" if ended else "length", len(sequence.ids), tokens)


class _OutOfMemory(Exception):
    """The batch was too large for the device."""


class _Sampler:
    """Temperature, nucleus and draw, each sequence with its own generator; as a logits processor."""

    def __init__(self, batch: Sequence[_Sequence], torch: Any) -> None:
        import numpy as np

        self._torch = torch
        self._params = [sequence.request.params for sequence in batch]
        self._draws = [np.random.default_rng(s.request.seed + s.sample - s.request.samples[0]) for s in batch]

    def __call__(self, _ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        torch = self._torch
        logits = scores.float()
        greedy = torch.tensor([p.temperature == 0 for p in self._params], device=scores.device)
        heat = torch.tensor([p.temperature or 1.0 for p in self._params], device=scores.device)
        top_p = torch.tensor([p.top_p for p in self._params], device=scores.device)
        ordered, order = torch.softmax(logits / heat[:, None], dim=-1).sort(dim=-1, descending=True)
        total = ordered.cumsum(dim=-1)
        # The nucleus: tokens before which less than top_p has gone by; the first is always in.
        inside = torch.where(total - ordered < top_p[:, None], ordered, 0.0)
        mass = inside.sum(dim=-1, keepdim=True)
        draw = torch.tensor([[rng.random()] for rng in self._draws], device=scores.device, dtype=mass.dtype)
        at = torch.searchsorted(inside.cumsum(dim=-1), draw * mass, right=True)
        at = torch.minimum(at, (inside > 0).sum(dim=-1, keepdim=True) - 1)
        at = torch.where(greedy[:, None], 0, at)
        chosen = order.gather(-1, at)
        return torch.full_like(scores, float("-inf")).scatter(-1, chosen, 0.0)  # type: ignore[no-any-return]


class _Budgets:
    """Ends each sequence when its own budget is spent, and all when asked to stop."""

    def __init__(self, batch: Sequence[_Sequence], width: int, stop: threading.Event, torch: Any) -> None:
        self._torch = torch
        self._ends = [width + sequence.budget for sequence in batch]
        self._stop = stop

    def __call__(self, ids: torch.LongTensor, _scores: object, **_: object) -> torch.BoolTensor:
        length = ids.shape[1]
        done = [self._stop.is_set() or length >= end for end in self._ends]
        return self._torch.tensor(done, device=ids.device)  # type: ignore[no-any-return]


class _Loaded(NamedTuple):
    """The weights, the end tokens, and the context length."""

    model: Any
    eos: list[int]
    pad: int
    context: int
    """The model's context length: tokens of prompt and completion together."""


def _load(model: Model, dtype: str, device: str) -> _Loaded:
    torch = import_extra("torch", extra="local", purpose=_PURPOSE)
    from transformers import AutoModelForCausalLM, GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # offtraj shows its own
    assert model.path is not None and model.format is not None
    place = "cuda" if device == "auto" and torch.cuda.is_available() else "cpu" if device == "auto" else device
    pinned = {} if model.in_folder else {"revision": model.revision}
    try:
        weights: Any = AutoModelForCausalLM.from_pretrained(model.path, dtype=dtype, device_map=place, **pinned)
    except Exception as error:  # the library raises what its parts raise
        detail = first_line(error)
        raise EngineError(f"the weights {model.path!r} cannot be loaded: {detail}") from error
    weights.eval()
    tokenizer = model.format.tokenizer
    eos = _end_tokens(weights, tokenizer)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else eos[0]
    # The model's own generation defaults (top-k, repetition penalty …) must not leak into the test.
    weights.generation_config = GenerationConfig(eos_token_id=eos, pad_token_id=pad)  # type: ignore[no-untyped-call]
    context = int(getattr(weights.config, "max_position_embeddings", 0) or 2**31)
    return _Loaded(weights, eos, pad, context)


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    declared = model.generation_config.eos_token_id if model.generation_config is not None else None
    ids = [] if declared is None else [declared] if isinstance(declared, int) else list(declared)
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ids:
        ids.append(tokenizer.eos_token_id)
    if not ids:
        raise EngineError("the model names no end token: set eos_token_id in its generation_config.json")
    return ids


async def open_transformers(spec: TransformersSpec, opening: Opening) -> LocalEngine:
    """The model in this process. Its weights are loaded at the first request.

    Raises:
        MissingExtraError: without torch.
    """
    return LocalEngine(opening.model, batch=spec.batch, dtype=spec.dtype, device=spec.device)
