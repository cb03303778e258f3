"""A worker process that runs math-verify on one pair after the other, and may be killed at any time.

It reads and writes JSON Lines: `{"gold", "answer", "tolerance"}` in, `{"result", "reason"}` out, in the same order.
It ends with its input or its parent. `pool` starts it; it imports nothing else of this package.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from functools import lru_cache
from typing import Any

_SECONDS = 5  # processor time for one pair
_DIGITS = 30
_CLOSE = 1e-5  # largest relative error of a rounded decimal
_MACRO = re.compile(r"\\(?:(?:begin|end|text) ?\{[^{}]*\}|[A-Za-z]+)")
_LETTER = re.compile(r"[A-Za-z]")
_GREEK = (
    r"\\(?:alpha|beta|gamma|delta|(?:var)?epsilon|z?eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|"
    r"upsilon|(?:var)?phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega|hbar|ell)"
)
_SUBSCRIPTED = re.compile(rf"({_GREEK}|(?<![A-Za-z\\])[a-eh-zA-EH-Z])_\{{([A-Za-z0-9]+|\\[a-z]+)\}}")
_POWER = re.compile(rf"(?:{_GREEK}|(?<![A-Za-z\\_])[abcj-zA-DF-HJ-Z]|\\text\{{[A-Za-z0-9\\]+_[A-Za-z0-9\\]+\}})(?=\^)")
_USUAL = (  # one of each kind that is frequent in answers
    ("x+1", "2x"),
    (r"-\frac{3x-1}{2}+5\sqrt{7}", r"\sqrt[3]{2}a b-1.5i"),
    (r"2\pi r^{2}-x_{1}\cdot y_{2}^{2}", r"(x+1)(x-2)/3\times(4-x)"),
    (r"e^{-2t}(\sin{3t}+\cos(t-\frac{\pi}{3}))", r"\frac{1}{\sqrt{1-t^{2}}}(\ln 2+\log_{2}t)u(t)"),
    (r"\begin{pmatrix}1\\-\frac{2}{3}\end{pmatrix}", r"\begin{pmatrix}1&2/3\end{pmatrix}"),
    (r"\binom{8}{3}\times 5!", r"|x-1|"),
)
_CONSTANTS = frozenset("eid")  # Euler's number, the imaginary unit, a differential


class _TimeUp(BaseException):
    """Raised when the time is up. Not an `Exception`, because the libraries catch those."""


def main() -> None:
    """Reply to requests until the input ends."""
    _end_with_parent()
    _limit_memory(int(sys.argv[1]))
    # Output of the libraries must not mix with the replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    logging.disable(logging.CRITICAL)
    _prepare()
    replies.write("ready\n")
    replies.flush()
    for line in sys.stdin:
        result, reason = _guarded(json.loads(line))
        replies.write(json.dumps({"result": result, "reason": reason}) + "\n")
        replies.flush()


def _guarded(request: dict[str, Any]) -> tuple[str, str]:
    # Processor time instead of elapsed time, so that a busy machine changes no verdict.
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    try:
        return _compare(**request)
    except MemoryError:
        return "undecided", "memory"
    except RecursionError:
        return "undecided", "recursion"
    except _TimeUp:
        return "undecided", "timeout"
    except Exception as error:
        return "undecided", type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _compare(gold: str, answer: str, tolerance: float | None) -> tuple[str, str]:
    from math_verify import verify
    from math_verify.grader import should_treat_as_complex

    # An imaginary unit on one side decides how the letters of both sides are read.
    is_real = not (should_treat_as_complex(gold) or should_treat_as_complex(answer))
    expected = _parse(gold, is_real)
    if expected is None:
        return "undecided", "unreadable_gold"
    given = _parse(answer, is_real)
    if given is None:
        return "different", ""
    distance = _distance(expected, given)
    if distance is not None:
        apart, size = distance
        if tolerance is not None and not _symbols(expected) and apart <= tolerance:
            return "equal", ""
        if apart > 1e-4 * max(1.0, size):
            return "different", ""
    if not verify(expected, given, timeout_seconds=None, raise_on_error=True):
        return "different", ""
    if distance is not None and distance[0] > _CLOSE * distance[1]:
        return "undecided", "rounding"  # math-verify compares six decimals, by which 3e-7 equals 4e-7
    if _dropped(gold, expected) != _dropped(answer, given):
        return "undecided", "letters"
    return "equal", ""


@lru_cache(maxsize=1024)
def _parse(text: str, is_real: bool) -> Any:
    """The expression of some LaTeX, with no letter dropped as a unit; `None` when it cannot be read."""
    import sympy
    from latex2sympy2_extended import NormalizationConfig
    from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy, normalize_latex

    # `I_{0}` is not the imaginary unit, and `E_{1}` is not Euler's number.
    text = _SUBSCRIPTED.sub(r"\\text{\1_\2}", text)
    config = NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none")
    reader = _Latex2Sympy(is_real=is_real)
    try:
        read = _read(reader, normalize_latex(text, config))
    except RecursionError:
        raise
    except Exception:
        return None
    units = [symbol for symbol in _symbols(read) if symbol.name == "i"]
    return read.subs(units[0], sympy.I) if units and not is_real and "\\sum" not in text else read


def _read(reader: Any, latex: str) -> Any:
    """The result of `latex2sympy`, faster: read as an expression first, and in ANTLR's fast mode first.

    The fast mode fails on `x^{2}`, where a subscript may follow the power, and reads `{x}^{2}`.
    """
    from antlr4.atn.PredictionMode import PredictionMode
    from antlr4.Token import Token

    braced = _POWER.sub(r"{\g<0>}", latex)
    for text, mode in ((latex, PredictionMode.SLL), (braced, PredictionMode.SLL), (latex, PredictionMode.LL)):
        parser = reader.create_parser(text)
        parser._interp.predictionMode = mode  # noqa: SLF001 - the runtime has no public switch
        try:
            tree = parser.expr()
        except RecursionError:
            raise
        except Exception:  # noqa: S112 - the next mode may read it
            continue
        if parser.getTokenStream().LA(1) == Token.EOF:
            return reader.convert_expr(tree)
    return reader.parse(latex)


def _distance(one: Any, other: Any) -> tuple[float, float] | None:
    """The difference of two expressions where their symbols are small primes, and the size of the first; else `None`.

    A difference at these points shows that the expressions differ; agreement shows nothing. `None` for expressions
    that cannot be evaluated.
    """
    import sympy

    if not all(isinstance(value, sympy.Expr) and not value.is_Matrix for value in (one, other)):
        return None
    symbols = sorted(_symbols(one) | _symbols(other), key=lambda symbol: str(symbol.name))
    if one.has(sympy.core.function.AppliedUndef) or other.has(sympy.core.function.AppliedUndef):
        return None
    furthest = None
    for shift in (0, 1) if symbols else (0,):
        point = {symbol: sympy.Integer(sympy.prime(2 + at + shift)) for at, symbol in enumerate(symbols)}
        values = [_value(expression, point) for expression in (one, other)]
        if values[0] is None or values[1] is None:
            continue
        found = (abs(values[0] - values[1]), abs(values[0]))
        furthest = found if furthest is None or found[0] > furthest[0] else furthest
    return furthest


def _value(expression: Any, point: dict[Any, Any]) -> complex | None:
    try:
        found = expression.evalf(_DIGITS, subs=point)
        value = complex(found if found.is_number else expression.doit().evalf(_DIGITS, subs=point))
    except (RecursionError, MemoryError):
        raise
    except Exception:
        return None
    return value if abs(value) < 1e300 else None


def _symbols(expression: Any) -> set[Any]:
    return set(getattr(expression, "free_symbols", ()))


def _dropped(text: str, expression: Any) -> set[str]:
    """The letters of a text that do not occur in the expression that was read from it."""
    import sympy

    written = {letter.lower() for letter in _LETTER.findall(_MACRO.sub(" ", text))} - _CONSTANTS
    read = {letter.lower() for symbol in _symbols(expression) for letter in str(symbol.name)}
    if hasattr(expression, "atoms"):
        read |= {c.lower() for f in expression.atoms(sympy.Function) for c in str(f.func.__name__)}
    return written - read


def _prepare() -> None:
    """Import the libraries and compare usual pairs, so that the first requests do not wait for it.

    ANTLR's runtime computes each decision of the grammar at its first use, and caches it.
    """
    signal.signal(signal.SIGPROF, _time_up)
    for gold, answer in _USUAL:
        _compare(gold, answer, None)


def _time_up(*_: object) -> None:
    raise _TimeUp


def _limit_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # this system has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    main()
