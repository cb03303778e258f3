"""A vLLM server's log: how far a start has come, and why one failed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["VllmLog"]

_TAIL = 20
_SPEAKER = re.compile(r"^\([A-Za-z]+[-_A-Za-z0-9]* pid=\d+\) *")
_HEAD = re.compile(r"^(?:(INFO|WARNING|ERROR|DEBUG|CRITICAL) )?\d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]]*\] *)+|^INFO: +")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_DOING = re.compile(r"(?i)loading|download|compil|capturing|warming|kv cache|initializ|starting|shards")
_TOLD = re.compile(r"\bINFO\b|\d%")
_ERROR = re.compile(r"^[\w.]*(?:Error|Exception)\b.*: |error: ")
_FOLLOWS = re.compile(
    r"Engine core initialization failed|WorkerProc initialization failed|raise |For further information"
)


class _Cause(NamedTuple):
    """A failure with a known remedy."""

    pattern: re.Pattern[str]
    remedy: str


def _cause(pattern: str, remedy: str) -> _Cause:
    return _Cause(re.compile(pattern), remedy)


_CAUSES = (
    _cause(
        r"No module named '?vllm",
        "that interpreter has no vLLM: install it there (`pip install vllm`), or name another one as the engine's "
        "`python`, or in OFFTRAJ_VLLM_PYTHON",
    ),
    _cause(r"error: (unrecognized arguments|argument )", "see the engine's `options`: this vLLM does not take that"),
    _cause(
        r"max_model_len.* is greater than the derived",
        "the sampling asks for more tokens than the model was made for: lower `sampling.max_tokens`",
    ),
    _cause(
        r"is larger than the available KV cache|No available memory for the cache blocks|out of memory|"
        r"OutOfMemoryError|less than requested memory|Free memory on device|can't allocate memory|Cannot allocate memory|not enough memory",
        "memory does not suffice: see which other processes use it, or use more GPUs (`tensor_parallel`), a smaller "
        "`max_model_len`, or more of the GPU (`options: {gpu-memory-utilization: 0.95}`)",
    ),
    _cause(r"(?i)address already in use", "another process took the port meanwhile: run the same command again"),
    _cause(
        r"Repo id must be|is not a valid model identifier|Repository ?Not ?Found|GatedRepo|RevisionNotFound|"
        r"Invalid repository ID|LocalEntryNotFound|Cannot find any model weights|does not appear to have a file named|"
        r"Unrecognized model in",
        "the model cannot be loaded: see its `path` and `revision`, and whether its weights are there",
    ),
    _cause(
        r"World size \(\d+\) is larger|Not enough allowed NUMA nodes|(?i:invalid device ordinal)",
        "there are fewer GPUs than `tensor_parallel` and `data_parallel` ask for",
    ),
    _cause(
        r"Failed to infer device type|No CUDA GPUs are available",
        "vLLM sees no device that it was built for: see the driver and CUDA_VISIBLE_DEVICES, or install its CPU build",
    ),
)


class VllmLog:
    """A log file that grows while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._from = 0

    def begin(self) -> None:
        """Mark the current end of the file as the beginning of a new start."""
        self._from = self.path.stat().st_size if self.path.exists() else 0

    def doing(self) -> str:
        """The last line on the progress of the start, without dates and module names; at most 80 characters."""
        for line in reversed(self._lines(2**16)):
            if _TOLD.search(line) and _DOING.search(line):
                return _bare(line).partition(" with config: ")[0][:80]
        return ""

    def tail(self) -> str:
        """The last lines."""
        lines = [line for line in self._lines(2**16) if not line.startswith(" " * 20)]
        return "\n".join(f"  {line[:300]}" for line in lines[-_TAIL:]) or "  (nothing)"

    def why(self) -> tuple[str, str]:
        """The first line that names an error, and its remedy; each empty where it is not known."""
        lines = [_bare(line) for line in self._lines(2**24)]
        for line in lines:
            for cause in _CAUSES:
                if cause.pattern.search(line):
                    return line[:300], cause.remedy
        errors = [line[:300] for line in lines if _ERROR.search(line) and not _FOLLOWS.search(line)]
        return (errors[0] if errors else ""), ""

    def _lines(self, most: int) -> list[str]:
        """The lines in the last `most` bytes of this start; of lines with carriage returns, the visible part."""
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
