"""The verdicts on published trajectories: those of the rule are compared with the rule's verdicts now."""

from __future__ import annotations

from collections.abc import Mapping

from offtraj._util.progress import Progress
from offtraj._util.tasks import BoundedTasks
from offtraj.check.result import Checked
from offtraj.dataset.configs import trajectories_config_name
from offtraj.dataset.manifest import Manifest
from offtraj.grading.grader import Grader, GradingItem
from offtraj.run.question import Question
from offtraj.run.solo import Solo, SoloSample, solo_text

__all__ = ["check_verdicts"]

_GRADING = 256  # verdicts that are awaited at once


async def check_verdicts(
    manifest: Manifest,
    solos: Mapping[str, Solo],
    questions: Mapping[str, Question],
    grader: Grader,
    checked: Checked,
    progress: Progress,
) -> None:
    """Grade again what the rule decided, if it is of the same version. A judge is not asked again.

    Args:
        manifest: Names the rule and judge that graded the samples.
        solos: Solo samples, by model or guide.
        questions: Questions, by id.
        grader: Grades by the rule only.
        checked: Receives the verdicts that differ.
        progress: Opens a progress bar for each model.
    """
    rule, _, judge = manifest.verifier.partition("+")
    if rule != grader.version:
        checked.not_graded = f"graded by {manifest.verifier}, not by {grader.version}"
        return

    async def grade(config: str, solo: Solo, sample: SoloSample) -> None:
        question, verdict = questions[sample.question_id], sample.verdict
        item = GradingItem(question.text, question.reference)
        again = await grader.grade(item, solo_text(solo.trajectory(sample), solo.model), sample.finish_reason)
        if again.name != verdict.name:
            checked.say(
                f"{config} sample {sample.number} of {sample.question_id!r}",
                f"is {verdict.name}, where the rule finds {again.name} ({again.reason})",
                config,
            )

    async with BoundedTasks(_GRADING) as grading:
        for name, solo in solos.items():
            config = trajectories_config_name(name)
            done = progress(f"verdicts {name}", sum(map(len, solo.samples.values())))
            for sample in solo:
                if sample.verdict.decided_by == "rule" or (sample.verdict.decided_by == "judge" and not judge):
                    await grading.start(grade(config, solo, sample))
                done(1)
