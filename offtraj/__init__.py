"""Tests how reasoning models continue trajectories that another model has changed: recoverability and guidability.

    import offtraj as ot

    spec = ot.load_spec("specs/math.yaml")
    data = ot.build(spec)
    run = ot.evaluate(data, "qwen3-1.7b")
    ot.report(run)

A function that waits for models, graders or a server has a twin that is awaited, with the same parameters and the
suffix `_async`: `run = await ot.evaluate_async(data, "qwen3-1.7b")`. The function without the suffix also works where
an event loop already runs, such as in a notebook.

Functions raise the errors of `offtraj.errors`; none prints or ends the process. What is imported here is loaded on
first use, so `import offtraj` takes milliseconds.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from offtraj._util.version import __version__

if TYPE_CHECKING:
    from offtraj._util.progress import Progress
    from offtraj.api.build import build, build_async
    from offtraj.api.check import Checked, check, check_async
    from offtraj.api.compare import Comparison, compare
    from offtraj.api.data_folder import DataFolder, open_dataset
    from offtraj.api.doctor import Diagnosis, doctor, doctor_async
    from offtraj.api.evaluate import evaluate, evaluate_async
    from offtraj.api.grade import Verdict, grade, grade_async
    from offtraj.api.plan import Plan, plan
    from offtraj.api.regrade import Regraded, regrade, regrade_async
    from offtraj.api.report import Report, report
    from offtraj.api.run import Run, open_run
    from offtraj.api.spec import SpecFile, load_spec
    from offtraj.errors import OfftrajError

__all__ = [
    "Checked",
    "Comparison",
    "DataFolder",
    "Diagnosis",
    "OfftrajError",
    "Plan",
    "Progress",
    "Regraded",
    "Report",
    "Run",
    "SpecFile",
    "Verdict",
    "__version__",
    "build",
    "build_async",
    "check",
    "check_async",
    "compare",
    "doctor",
    "doctor_async",
    "evaluate",
    "evaluate_async",
    "grade",
    "grade_async",
    "load_spec",
    "open_dataset",
    "open_run",
    "plan",
    "regrade",
    "regrade_async",
    "report",
]


_HOMES = {
    "Checked": "api.check",
    "Comparison": "api.compare",
    "DataFolder": "api.data_folder",
    "Diagnosis": "api.doctor",
    "OfftrajError": "errors",
    "Plan": "api.plan",
    "Progress": "_util.progress",
    "Regraded": "api.regrade",
    "Report": "api.report",
    "Run": "api.run",
    "SpecFile": "api.spec",
    "Verdict": "api.grade",
    "build": "api.build",
    "build_async": "api.build",
    "check": "api.check",
    "check_async": "api.check",
    "compare": "api.compare",
    "doctor": "api.doctor",
    "doctor_async": "api.doctor",
    "evaluate": "api.evaluate",
    "evaluate_async": "api.evaluate",
    "grade": "api.grade",
    "grade_async": "api.grade",
    "load_spec": "api.spec",
    "open_dataset": "api.data_folder",
    "open_run": "api.run",
    "plan": "api.plan",
    "regrade": "api.regrade",
    "regrade_async": "api.regrade",
    "report": "api.report",
}
"""The module of each public name."""


class _Package(ModuleType):
    """Keeps `build`, `check`, `doctor`, `evaluate` and `report` functions although there are packages of these names.

    Python sets an imported submodule as an attribute of its package, which would replace the function.
    `from offtraj.build import …` is unaffected; only the attribute `offtraj.build` is not the module, so that
    `import offtraj.build.plan as plan` fails: write `from offtraj.build import plan`.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
