"""A model's configuration files: context length, end tokens, sampling defaults."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from offtraj.doctor.finding import Finding
from offtraj.model.model import Model

if TYPE_CHECKING:
    from transformers import GenerationConfig, PretrainedConfig

__all__ = ["ModelFiles"]

_DEFAULTS = ("top_k", "min_p", "repetition_penalty")  # what servers read from them, apart from values in every request
_NEUTRAL = {"top_k": (None, 0, -1), "min_p": (None, 0.0), "repetition_penalty": (None, 1.0)}


class ModelFiles:
    """`config.json` and `generation_config.json`, read at first use."""

    def __init__(self, model: Model) -> None:
        assert model.path is not None and model.format is not None
        self._path = model.path
        self._pinned: dict[str, Any] = {} if model.in_folder else {"revision": model.revision}
        self._tokenizer = model.format.tokenizer

    @cached_property
    def config(self) -> PretrainedConfig | None:
        """`config.json`; `None` where it cannot be read."""
        from transformers import AutoConfig

        try:
            config: PretrainedConfig = AutoConfig.from_pretrained(self._path, **self._pinned)
        except Exception:  # the library may raise any error
            return None
        return config

    @cached_property
    def generation(self) -> GenerationConfig | None:
        """`generation_config.json`; `None` where it cannot be read."""
        from transformers import GenerationConfig

        try:
            return GenerationConfig.from_pretrained(self._path, **self._pinned)
        except Exception:
            return None

    @property
    def context(self) -> int | None:
        """The model's context length: tokens of prompt and completion; `None` where it is not stated."""
        text: Any = None if self.config is None else self.config.get_text_config()
        return getattr(text, "max_position_embeddings", None)

    @cached_property
    def ends(self) -> dict[int, list[str]]:
        """The end tokens, each with the files that name it."""
        found: dict[int, list[str]] = {}
        text: Any = None if self.config is None else self.config.get_text_config()
        for name, value in (
            ("tokenizer", self._tokenizer.eos_token_id),
            ("config", getattr(text, "eos_token_id", None)),
            ("generation_config", getattr(self.generation, "eos_token_id", None)),
        ):
            for token in [value] if isinstance(value, int) else value or []:
                found.setdefault(token, []).append(name)
        return found

    def examine(self, max_tokens: int, *, ours: bool) -> Iterator[Finding]:
        """Findings that need no server.

        Args:
            max_tokens: The spec's limit on prompt and completion, in tokens.
            ours: Whether offtraj runs the model, in this process or in a server that it starts.
        """
        yield self._context(max_tokens, needed=ours)
        shown = ", ".join(
            f"{token} {self._tokenizer.convert_ids_to_tokens(token)!r} ({', '.join(names)})"
            for token, names in self.ends.items()
        )
        if shown:
            yield Finding("end tokens", "exact", shown)
        else:
            remedy = "set eos_token_id in its generation_config.json"
            yield Finding("end tokens", "unsupported", "none is named", remedy)
        defaults = {name: getattr(self.generation, name, None) for name in _DEFAULTS}
        leaking = {name: value for name, value in defaults.items() if value not in _NEUTRAL[name]}
        what = ", ".join(f"{name} {value}" for name, value in leaking.items())
        shown = f"{what} in its generation_config.json: every request overrides them" if leaking else "none to leak"
        yield Finding("generation defaults", "exact", shown)

    def _context(self, max_tokens: int, *, needed: bool) -> Finding:
        if self.context is None:
            what = "its config.json does not state the model's context length"
            return Finding("context", "unsupported", what, needed=False)
        if self.context < max_tokens:
            what = f"the model holds {self.context:,} tokens, the spec samples up to {max_tokens:,}"
            return Finding("context", "inexact", what, f"set sampling.max_tokens to {self.context}", needed=needed)
        return Finding(
            "context", "exact", f"the model holds {self.context:,} tokens, of {max_tokens:,} that are sampled"
        )
