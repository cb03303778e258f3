"""Probing whether a model sees exactly the prefix that is sent."""

from __future__ import annotations

from offtraj._util.progress import Progress
from offtraj._util.progress_bars import displayed
from offtraj._util.sync import wait_for
from offtraj.api.spec import SpecLike, as_spec
from offtraj.doctor.finding import Diagnosis

__all__ = ["Diagnosis", "doctor", "doctor_async"]


def doctor(spec: SpecLike, model: str, *, engine: str | None = None, progress: bool | Progress = True) -> Diagnosis:
    """Probes a model's template, tokenizer and engine: whether runs of the spec would be exact, and if not, why.

    Args:
        spec: A spec, or its path.
        model: Id of one of its models or guides.
        engine: Name of an engine of the spec, `transformers`, or the URL of an endpoint; the model's own by default.
        progress: True shows bars, False nothing; a `Progress` receives the steps.

    Returns:
        One finding for each check: `exact`, `inexact` or `unsupported`, what was seen, and the remedy.

    Raises:
        SpecError: for a spec that is not valid.
        UsageError: for a model or engine that the spec does not declare, or a recorded model with another engine.
        EngineError: for a model that cannot be found, or has no usable tokenizer or chat template.
    """
    with displayed(progress) as shown:
        return wait_for(doctor_async(spec, model, engine=engine, progress=shown))


async def doctor_async(
    spec: SpecLike, model: str, *, engine: str | None = None, progress: bool | Progress = True
) -> Diagnosis:
    """Probes a model's template, tokenizer and engine; the awaitable twin of `doctor`.

    Args:
        spec: As in `doctor`, like all parameters.
        model: Id of a model or guide.
        engine: Name or URL of an engine.
        progress: Display of progress.

    Returns:
        One finding for each check.

    Raises:
        OfftrajError: as `doctor` does.
    """
    from offtraj.doctor.doctor import examine

    with displayed(progress) as shown:
        return await examine(as_spec(spec), model, engine, progress=shown)
