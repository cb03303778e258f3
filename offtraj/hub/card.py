"""The data set card: metadata that `datasets` reads, and text in which every number is computed.

A card depends on the spec, the manifest and the Parquet files only: rendered again, it has the same bytes. Its text
is left to the template (`cards/dataset.md.j2`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from offtraj._util.packaged import packaged
from offtraj.dataset.manifest import Manifest
from offtraj.errors import SpecError
from offtraj.hub.card_metadata import by_config, card_metadata
from offtraj.hub.card_numbers import count_rows, find_example, solved, summed
from offtraj.hub.markdown import cell, code, fence, shorten, wrap
from offtraj.model.prompt import question_template
from offtraj.spec import FileSource, RecordedSpec, Spec, SpecFile
from offtraj_builders.definitions import parse_set, test_order

__all__ = ["render_card"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def render_card(file: SpecFile, manifest: Manifest, folder: Path) -> str:
    """The card of a folder, from the spec's template or the packaged one.

    Args:
        file: The spec.
        manifest: The manifest of the folder.
        folder: The folder with the Parquet files.

    Raises:
        SpecError: when the template is missing, or cannot be rendered.
        DataError: when a file is missing or cannot be read.
    """
    import jinja2

    declared = file.spec.publish.card if file.spec.publish is not None else None
    path = None if declared is None else file.file(declared, "publish", "card")
    text = (path or packaged("cards") / "dataset.md.j2").read_text(encoding="utf-8")
    # Markdown, not HTML: only the filters that a template names escape.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader(packaged("cards")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cell": cell,
        "code": code,
        "fence": fence,
        "shares": _shares,
        "shorten": shorten,
        "thousands": lambda number: f"{number:,}",
        "wrap": wrap,
    }
    try:
        card = environment.from_string(text).render(_values(file, manifest, folder))
    except jinja2.TemplateError as error:
        raise SpecError(f"{path or 'the packaged card'}: the template cannot be filled in: {error}") from error
    return card.rstrip("\n") + "\n"


def _values(file: SpecFile, manifest: Manifest, folder: Path) -> dict[str, Any]:
    """The variables of a template."""
    spec, configs = file.spec, by_config(manifest)
    steered = [name for config in configs if (name := parse_set(config)) is not None]
    tests = sorted({name.test.name for name in steered}, key=test_order)
    declared = spec.tests.declared()
    counted = {declared.lengths for declared in manifest.models.values()}
    return {
        "metadata": card_metadata(spec, manifest, folder),
        "spec": spec,
        "manifest": manifest,
        "configs": {name: [entry.path for entry in files] for name, files in configs.items()},
        "rows": {name: sum(entry.rows for entry in files) for name, files in configs.items()},
        "tests": {test: declared.get(test) for test in tests},
        "tables": {test: count_rows(manifest, folder, test) for test in tests},
        "examples": [found for test in tests if (found := find_example(manifest, folder, test)) is not None],
        "counts": {test: [count for count in manifest.counts if count.test == test] for test in tests},
        "summed": {test: summed(count for count in manifest.counts if count.test == test) for test in tests},
        "solved": solved(manifest.models),
        "template": question_template(spec.domain, spec.prompt),
        "unit": "words" if counted == {"words"} else "tokens",
        # An unpublished set is named after the default folder of a build.
        "where": spec.publish.repo if spec.publish else f"data/{manifest.name}-{manifest.version}",
        "revision": f"v{manifest.version}" if spec.publish else None,
        "first": str(steered[0]) if steered else next(iter(configs)),
        "owner": steered[0].model if steered else "",
        "runs": _runs(spec, manifest, [name.model for name in steered]),
        "recorded": any(isinstance(spec.engines[model.engine], RecordedSpec) for model in spec.participants),
        "variables": list(dict.fromkeys(_VARIABLE.findall(file.text))),
        "file_name": lambda source: Path(source.file).name if isinstance(source, FileSource) else None,
    }


def _runs(spec: Spec, manifest: Manifest, owners: Sequence[str]) -> str:
    """A model for the example command: the first one whose weights have a name on the Hub."""
    for name in owners:
        model = spec.participant(name)
        if model is not None and model.path and _COMMIT.fullmatch(manifest.models[name].revision):
            return model.path
        if model is not None and model.recorded_as and _HUB_ID.fullmatch(model.recorded_as):
            return model.recorded_as
    return "ORG/MODEL"


def _shares(values: list[float] | tuple[float, ...] | float) -> str:
    """Shares in percent, such as `0, 20 and 40 %`."""
    numbers = [f"{100 * value:g}" for value in ([values] if isinstance(values, (int, float)) else values)]
    return (", ".join(numbers[:-1]) + " and " if len(numbers) > 1 else "") + numbers[-1] + " %"
