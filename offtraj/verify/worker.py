"""A process that runs math-verify on one pair after the other, and may be killed at any time.

It speaks JSON Lines: `{"gold", "answer", "how"}` in, `{"result", "reason"}` out. It ends when its input
does, or with its parent. Started by `pool`; it imports nothing else of this package.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from typing import Any


def main() -> None:
    """Serve until the input ends."""
    _end_with_parent()
    _limit_memory(int(sys.argv[1]))
    # What a library prints must not get between the replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    logging.disable(logging.CRITICAL)
    from math_verify import parse, verify

    replies.write("ready\n")
    replies.flush()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            result, reason = _compare(parse, verify, **request)
        except MemoryError:
            result, reason = "undecided", "memory"
        except RecursionError:
            result, reason = "undecided", "recursion"
        except BaseException as error:  # its time-out is a BaseException
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            result, reason = "undecided", "timeout" if "imeout" in type(error).__name__ else type(error).__name__
        replies.write(json.dumps({"result": result, "reason": reason}) + "\n")
        replies.flush()


def _compare(parse: Any, verify: Any, gold: str, answer: str, how: str) -> tuple[str, str]:
    # Golds are LaTeX: a bare `3x` would be read as 3. Time-outs are whole seconds: others are ignored.
    golds = parse(f"${gold}$", parsing_timeout=5, raise_on_error=True)
    answers = parse(f"\\boxed{{{answer}}}" if how == "boxed" else answer, parsing_timeout=5, raise_on_error=True)
    if not golds:
        return "undecided", "unreadable_gold"
    equal = bool(answers) and verify(golds, answers, timeout_seconds=5, raise_on_error=True)
    return ("equal" if equal else "different"), ""


def _limit_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # no such limits on this system
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    main()
