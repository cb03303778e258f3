"""Which engine a name on the command line stands for. Opening it is left to `offtraj.engines.kinds`."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from offtraj.errors import UsageError
from offtraj.spec import EngineSpec, OpenAISpec, Spec, TransformersSpec

__all__ = ["choose_engine"]

_KEY = "OPENAI_API_KEY"


def choose_engine(spec: Spec, name: str) -> EngineSpec:
    """The engine of that name: one of the spec's, `transformers`, or an endpoint's URL.

    An endpoint is sent the key in `OPENAI_API_KEY`, where that is set.

    Raises:
        UsageError: for any other name.
    """
    if name in spec.engines:
        return spec.engines[name]
    if name == "transformers":
        return TransformersSpec(kind="transformers")
    if _is_url(name):
        return OpenAISpec(kind="openai", base_url=name, api_key_env=_KEY if os.environ.get(_KEY) else None)
    known = ", ".join([*spec.engines, "transformers", "an http:// or https:// URL"])
    raise UsageError(f"--engine {name!r}: expected one of {known}")


def _is_url(name: str) -> bool:
    try:
        parts = urlsplit(name)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False
