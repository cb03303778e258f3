"""The data set card: metadata that `datasets` reads, and text in which every number is computed."""

from __future__ import annotations

from offtraj.errors import SpecError
from offtraj.packaged import packaged
from offtraj.publishing.manifest import Manifest
from offtraj.spec import SpecFile

__all__ = ["render_card"]


def render_card(file: SpecFile, manifest: Manifest) -> str:
    """The card of a folder, from the spec's template or the packaged one.

    Raises:
        SpecError: when the template is missing, or cannot be filled in.
    """
    import jinja2

    declared = file.spec.publish.card if file.spec.publish is not None else None
    path = None if declared is None else file.file(declared, "publish", "card")
    text = (path or packaged("cards") / "dataset.md.j2").read_text(encoding="utf-8")
    # Markdown, not HTML: nothing is escaped.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    configs: dict[str, list[str]] = {}
    rows: dict[str, int] = {}
    for entry in manifest.files:
        configs.setdefault(entry.config, []).append(entry.path)
        rows[entry.config] = rows.get(entry.config, 0) + entry.rows
    try:
        card = environment.from_string(text).render(spec=file.spec, manifest=manifest, configs=configs, rows=rows)
    except jinja2.TemplateError as error:
        raise SpecError(f"{path or 'the packaged card'}: the template cannot be filled in: {error}") from error
    return card.rstrip("\n") + "\n"
