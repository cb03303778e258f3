"""What a vLLM server's log says: where it is while it starts, and why it did not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["VllmLog"]

_TAIL = 20
_SPEAKER = re.compile(r"^\([A-Za-z]+[-_A-Za-z0-9]* pid=\d+\) *")
_HEAD = re.compile(r"^(?:(INFO|WARNING|ERROR|DEBUG|CRITICAL) )?\d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]]*\] *)+|^INFO: +")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_UNTOLD = re.compile(r"WARNING|Warning|DEBUG|█|▀|warnings\.warn|Route: |^\s*[\"'{}\[\]]")


class _Cause(NamedTuple):
    """A failure that has a remedy."""

    pattern: re.Pattern[str]
    remedy: str


def _cause(pattern: str, remedy: str) -> _Cause:
    return _Cause(re.compile(pattern), remedy)


# The first that is found says it; `{0}` is what the pattern's group has.
_CAUSES = (
    _cause(
        r"No module named '?vllm'?",
        "that interpreter has no vLLM: install it there (`pip install vllm`), or name another one as the engine's "
        "`python`, or in OFFTRAJ_VLLM_PYTHON",
    ),
    _cause(r"error: unrecognized arguments: (.+)", "this vLLM has no {0}: see the engine's `options`"),
    _cause(r"error: (argument .+)", "{0}: see the engine's `options`"),
    _cause(
        r"max_model_len[^\n]*is greater than the derived max_model_len[^\n]*?=(\d+)",
        "the model was made for {0} tokens, and the sampling asks for more: lower `sampling.max_tokens`, or give the "
        "engine `max_model_len: model`",
    ),
    _cause(
        r"(is larger than the available KV cache|No available memory for the cache blocks|"
        r"out of memory|OutOfMemoryError|Free memory on device|can't allocate memory|Cannot allocate memory)",
        "there is not enough memory: more GPUs (`tensor_parallel`), a smaller `max_model_len`, or "
        "`options: {{gpu-memory-utilization: 0.95}}` where others leave room; see who else uses it",
    ),
    _cause(r"(?i)address already in use", "another process took the port meanwhile: run the same command again"),
    _cause(
        r"(is not a valid model identifier|Repository Not Found|RepositoryNotFoundError|GatedRepoError|"
        r"RevisionNotFoundError|Invalid repository ID|LocalEntryNotFoundError|Cannot find any model weights|"
        r"does not appear to have a file named|Unrecognized model in|No such file or directory)",
        "the model cannot be loaded: see its `path` and `revision`, and whether its weights are there",
    ),
    _cause(
        r"World size \(\d+\) is larger|tensor_parallel_size[^\n]*exceeds|Invalid device ordinal|"
        r"invalid device ordinal",
        "there are fewer GPUs than `tensor_parallel` and `data_parallel` ask for",
    ),
    _cause(
        r"Failed to infer device type|No CUDA GPUs are available",
        "vLLM sees no device that it was built for: see the driver and CUDA_VISIBLE_DEVICES, or install its CPU build",
    ),
)


class VllmLog:
    """The log's file, which grows while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._from = 0

    def begin(self) -> None:
        """What stands there now is of an earlier start."""
        self._from = self.path.stat().st_size if self.path.exists() else 0

    def stage(self) -> str:
        """What the server is doing: its last line that says so, without dates and names of modules."""
        for line in reversed(self._lines(2**16)):
            if not _UNTOLD.search(line) and (bare := _bare(line)):
                return bare[:100]
        return ""

    def tail(self) -> str:
        """The last lines."""
        return "\n".join(f"  {line[:300]}" for line in self._lines(2**16)[-_TAIL:])

    def remedy(self) -> str | None:
        """What to do about a failure that is known."""
        text = "\n".join(_bare(line) for line in self._lines(2**24))
        for cause in _CAUSES:
            if found := cause.pattern.search(text):
                return cause.remedy.format(*(group for group in found.groups() if group is not None))
        return None

    def _lines(self, most: int) -> list[str]:
        """Of the end of this start's part, at most so many bytes; of lines that were written over, what is seen."""
        try:
            with self.path.open("rb") as file:
                end = file.seek(0, 2)
                file.seek(max(self._from, end - most))
                text = file.read(most).decode("utf-8", "replace")
        except OSError:
            return []
        lines = [line.rstrip("\r").rpartition("\r")[2] for line in _ESCAPE.sub("", text).split("\n")]
        return [line.rstrip() for line in lines if line.strip()]


def _bare(line: str) -> str:
    return _HEAD.sub("", _SPEAKER.sub("", line)).strip()
