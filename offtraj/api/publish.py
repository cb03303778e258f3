"""Publishing a data set on the Hub: what may be published, what that would change, and doing it."""

from __future__ import annotations

from offtraj.api.spec import SpecLike, as_spec
from offtraj.errors import UsageError
from offtraj.hub.push import Destination, Pushed, PushPlan, plan_push, push

__all__ = ["Destination", "PushPlan", "Pushed", "check_destination", "destination", "plan_push", "push"]


def destination(
    spec: SpecLike, *, branch: str = "main", private: bool = False, pull_request: bool = False
) -> Destination:
    """Where a spec's data set is published.

    Args:
        spec: A spec, or its path; `publish.repo` names the repository.
        branch: Branch to commit to; only `main` gets the version's tag.
        private: Whether a repository that does not exist yet is made private.
        pull_request: Whether a pull request is opened instead of a commit.

    Raises:
        SpecError: for a spec that is not valid.
    """
    publish = as_spec(spec).spec.publish
    return Destination(publish.repo if publish else "", branch, private, pull_request)


def check_destination(spec: SpecLike, to: Destination, *, partial: bool) -> None:
    """Refuses what cannot be published, before anything is built for it.

    Args:
        spec: A spec, or its path.
        to: Where its data set is to be published.
        partial: Whether only a part of the data set is built.

    Raises:
        UsageError: for no repository, a pull request on another branch than `main`, or a part of a set under the
            version of the whole.
    """
    file = as_spec(spec)
    version = file.spec.version
    if not to.repo:
        raise UsageError(f"--push: {file.path} does not say where to: add `publish: {{repo: ORG/NAME}}`")
    if to.pull_request and to.branch != "main":
        raise UsageError("--pr: proposes a change of main: leave out --revision")
    if partial and "-" not in version:
        raise UsageError(
            f"--push: this is only a part of {file.spec.name} {version}: leave out --model, --test and --limit, "
            f"or give the part a version of its own in the spec, such as {version}-try"
        )
