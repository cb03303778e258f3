"""A model or guide without its weights: identity, tokenizer, chat template, delimiters.

Loading weights is left to `offtraj.engines`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from offtraj._util.digest import content_id, file_sha256
from offtraj.errors import EngineError, first_line
from offtraj.model.prompt import ChatFormat
from offtraj.model.tokens import HubTokens, Tokens, Words
from offtraj.model.trajectory import NONE, Delimiters
from offtraj.spec import DelimiterSpec, ModelSpec, RecordedSpec, SpecFile

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["Model", "folder_revision", "load_model", "model_at", "stated_delimiters"]

_WORDS = "words"
_FOLDER = "sha256:"


@dataclass(frozen=True)
class Model:
    """A model without its weights."""

    id: str
    """The name in configs, columns and reports."""
    path: str | None
    """Hub id or folder of the weights; none for recordings."""
    revision: str | None
    """Commit of a Hub id, or `sha256:…` over a folder's files."""
    tokens: Tokens
    """Counts the length of its text."""
    format: ChatFormat | None
    """Renders prompts; none for recordings."""
    delimiters: Delimiters | None
    """The delimiters of its thinking; `None` finds them in each response."""

    @property
    def identity(self) -> str:
        """The key of its completions in the store: the digest of a folder's content, or Hub id and commit."""
        return str(self.revision) if self.in_folder else f"{self.path}@{self.revision}"

    @property
    def in_folder(self) -> bool:
        """Whether the weights are local files."""
        return (self.revision or "").startswith(_FOLDER)


def load_model(
    file: SpecFile, model: ModelSpec, *, delimiters: Delimiters | None = None, sampled: bool = False
) -> Model:
    """A model or guide of a spec, with its tokenizer loaded.

    Args:
        file: The spec.
        model: One of its models or guides.
        delimiters: Used instead of those that the spec states or the template shows.
        sampled: Whether an engine that samples runs it, so that a recorded model needs its format, too.

    Raises:
        SpecError: for a folder that does not exist.
        EngineError: for a tokenizer that cannot be loaded or used, or a revision that cannot be resolved.
    """
    group = "models" if model in file.spec.models else "guides"
    loc = (group, getattr(file.spec, group).index(model))
    path = None if model.path is None else file.model_path(model.path, *loc, "path")
    tokenizer = model.tokenizer
    if tokenizer not in (None, _WORDS):
        tokenizer = file.model_path(tokenizer, *loc, "tokenizer")
    delimiters = delimiters or stated_delimiters(model)
    if isinstance(file.spec.engines[model.engine], RecordedSpec) and not sampled:
        tokens = _tokens(tokenizer or path or _WORDS, model.revision if tokenizer is None else None)
        return Model(model.id, None, model.revision, tokens, None, delimiters)
    assert path is not None  # checked with the spec: what is sampled has weights
    tokenizer = None if tokenizer == _WORDS else tokenizer
    return model_at(path, model_id=model.id, revision=model.revision, delimiters=delimiters, tokenizer=tokenizer)


def folder_revision(file: SpecFile, model: ModelSpec) -> str | None:
    """The current digest of a model in a local folder; `None` for other models."""
    if model.path is None:
        return None
    group = "models" if model in file.spec.models else "guides"
    path = file.model_path(model.path, group, getattr(file.spec, group).index(model), "path")
    return _pin(path, None) if Path(path).is_dir() else None


def model_at(
    path: str,
    *,
    model_id: str | None = None,
    revision: str | None = None,
    delimiters: Delimiters | None = None,
    tokenizer: str | None = None,
) -> Model:
    """The model at a folder or Hub id, with its tokenizer loaded.

    Args:
        path: Folder or Hub id.
        model_id: Its id; by default the last part of the path.
        revision: Commit, tag or branch of a Hub id.
        delimiters: The delimiters of its thinking; by default found in the template.
        tokenizer: Folder or Hub id of its tokenizer and template, where that is not the path.

    Raises:
        EngineError: as `load_model` does.
    """
    pinned = _pin(path, revision)
    format_ = ChatFormat(
        _load_tokenizer(tokenizer or path, pinned if tokenizer is None else None),
        delimiters,
        name=_name(tokenizer or path, pinned),
    )
    return Model(
        id=model_id or Path(path).name,
        path=path,
        revision=pinned,
        tokens=format_.tokens,
        format=format_,
        delimiters=format_.delimiters,
    )


def _tokens(tokenizer: str, revision: str | None) -> Tokens:
    if tokenizer == _WORDS:
        return Words()
    return HubTokens(_load_tokenizer(tokenizer, revision), unit=_name(tokenizer, revision))


def _name(path: str, revision: str | None) -> str:
    return Path(path).name if Path(path).is_dir() else f"{path}@{revision or 'main'}"


def stated_delimiters(model: ModelSpec) -> Delimiters | None:
    """The thinking delimiters that a spec states for a model; `None` where it states none."""
    if isinstance(model.think, DelimiterSpec):
        return Delimiters(model.think.open, model.think.close)
    return NONE if model.think == "none" else None


def _load_tokenizer(path: str, revision: str | None) -> PreTrainedTokenizerFast:
    from transformers import AutoTokenizer

    try:
        where = {} if Path(path).is_dir() else {"revision": revision}
        tokenizer = AutoTokenizer.from_pretrained(path, **where)
    except Exception as error:  # the library raises what its parts raise
        detail = first_line(error)
        raise EngineError(f"the tokenizer of {path!r} cannot be loaded: {detail}") from error
    return cast("PreTrainedTokenizerFast", tokenizer)  # `ChatFormat` refuses slow tokenizers


def _pin(path: str, revision: str | None) -> str:
    """The revision of the weights: a folder's digest, or the commit that a branch or tag now points to."""
    folder = Path(path)
    if folder.is_dir():
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        names = {name: file for file in files if _is_loaded(name := file.relative_to(folder).as_posix())}
        return _FOLDER + content_id([[name, file_sha256(file)] for name, file in names.items()])
    if revision is not None and re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    from huggingface_hub import HfApi

    try:
        commit = HfApi().model_info(path, revision=revision).sha
    except Exception as error:
        detail = first_line(error)
        raise EngineError(
            f"the revision {revision or 'main'!r} of {path!r} cannot be resolved: {detail}: "
            "pin `revision` to a commit; if a folder is meant, there is none of that name here: give its path"
        ) from error
    if commit is None:
        raise EngineError(f"the Hub names no commit for {path!r} at {revision or 'main'!r}")
    return commit


def _is_loaded(name: str) -> bool:
    """Whether a model depends on this file of its folder: not for its card and the records of its training."""
    return not name.startswith((".", "training/")) and "/." not in name and not name.endswith(".md")
