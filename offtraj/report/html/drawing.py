"""Drawings for a page: matplotlib's SVG with colours by role, within the page's Content-Security-Policy.

Text stays text. matplotlib's `style` attributes, which the policy forbids, are replaced by attributes and classes. Each
role has a colour of its own in the drawing, which is replaced by a class.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GRID", "INK", "MUTED", "PAPER", "SERIES", "draw"]

INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
SERIES = tuple(f"#0a0a{number:02x}" for number in range(7))
"""Okabe and Ito's palette without its yellow, in the page's style sheet."""

_ROLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"} | {
    colour: f"s{number}" for number, colour in enumerate(SERIES)
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_SIZE = (344, 236)  # points: a phone shows them about as large


def draw(name: str, title: str, plot: Callable[[Axes], None]) -> str:
    """A drawing as an `svg` element.

    Args:
        name: Letters, digits and dashes; prefix of the drawing's ids, which must differ within one page.
        title: Text alternative.
        plot: Draws on the axes. A group id `run-1.line` becomes two classes, `title:…` a tooltip.
    """
    import logging

    # It warns when it builds its cache of fonts.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(_SIZE[0] / 72, _SIZE[1] / 72), layout="constrained", facecolor="none")
        axes = figure.subplots()
        axes.set_facecolor("none")
        plot(axes)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - written by matplotlib
    return _clean(root, name, title)


def _clean(root: ET.Element, name: str, title: str) -> str:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in list(root.iter()):
        _clean_element(element, name)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", title)
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode")


def _clean_element(element: ET.Element, name: str) -> None:
    classes: list[str] = []
    own = element.get("id", "")
    if own.startswith("run-"):
        classes = own.split(".")
        del element.attrib["id"]
    elif own.startswith("title:"):
        del element.attrib["id"]
        hover = ET.Element(f"{{{_SVG}}}title")
        hover.text = own.removeprefix("title:")
        element.insert(0, hover)
        classes = ["reference"]
    elif own:
        element.set("id", f"{name}-{own}")
    for key in (f"{{{_XLINK}}}href", "clip-path"):
        if key in element.attrib:
            element.set(key, element.get(key, "").replace("#", f"#{name}-", 1))
    style = element.attrib.pop("style", "")
    for declaration in filter(None, map(str.strip, style.split(";"))):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key in ("fill", "stroke") and value in _ROLES:
            classes.append(f"{key}-{_ROLES[value]}")
        elif key == "font":
            element.set("font-size", value.split("px")[0].split()[-1])
        elif key != "font-family":
            element.set(key, value)
    for key in ("fill", "stroke"):
        if element.get(key) in _ROLES:
            classes.append(f"{key}-{_ROLES[element.attrib.pop(key)]}")
    if classes:
        element.set("class", " ".join(classes))
