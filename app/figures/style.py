"""How figures look: two palettes that differ in lightness too, patterns, and one size of words."""

import base64
import hashlib
from xml.etree.ElementTree import Element, SubElement

_LIGHT = {
    "sheet": "#ffffff",
    "ink": "#1a1f1e",
    "quiet": "#55605d",
    "line": "#dcdfdc",
    "part-1": "#0f6d66",
    "part-2": "#d0861f",
    "part-3": "#8a9693",
    "part-4": "#4c5fb0",
    "part-5": "#a34a7d",
    "part-6": "#5d3a1a",
    "limit": "#1a1f1e",
    "soft": "#d3dad7",
}
_DARK = {
    "sheet": "#1b1f23",
    "ink": "#e8eae9",
    "quiet": "#a5b0ad",
    "line": "#343b41",
    "part-1": "#5cc7bc",
    "part-2": "#e8a652",
    "part-3": "#8d9895",
    "part-4": "#94a4ec",
    "part-5": "#dd8ab9",
    "part-6": "#c79a6b",
    "limit": "#e8eae9",
    "soft": "#46505a",
}


def _variables(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())


CSS = (
    f"svg{{color-scheme:light dark;{_variables(_LIGHT)}"
    'font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif;'
    "font-variant-numeric:tabular-nums}"
    f"@media(prefers-color-scheme:dark){{svg{{{_variables(_DARK)}}}}}"
    f"@media print{{svg{{color-scheme:light;{_variables(_LIGHT)}}}}}"
    "rect{shape-rendering:crispEdges}text{fill:var(--ink)}.quiet{fill:var(--quiet)}.head{font-size:15px;font-weight:600}"
    ".sub{font-weight:600}.sheet{fill:var(--sheet)}.grid{stroke:var(--line)}"
    ".axis{stroke:var(--quiet)}.over{stroke:var(--sheet);fill:none}.dot{fill:var(--sheet)}"
    ".halo{paint-order:stroke;stroke:var(--sheet);stroke-width:3px;stroke-linejoin:round}"
    + "".join(
        f".f-{tone}{{fill:var(--{tone})}}.s-{tone}{{stroke:var(--{tone});fill:none}}"
        for tone in _LIGHT
        if tone.startswith("part") or tone in ("limit", "soft")
    )
)

POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; style-src"
    f" 'sha256-{base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()}'"
)
"""Of an answer that is a figure: its own style, nothing else."""

# Lines over a colour, so that parts are told apart in print and by whoever sees no colours.
_OVER = {
    "part-2": "M-2,2l4,-4M0,8l8,-8M6,10l4,-4",
    "part-4": "M-2,6l4,4M0,0l8,8M6,-2l4,4",
    "part-5": "M4,0v8",
    "part-6": "M0,4h8M4,0v8",
}
DASHES = {"part-2": "7 3", "part-3": "2 3", "part-4": "9 3 2 3", "part-5": "5 2", "part-6": "1 3"}


def pattern(defs: Element, tone: str, name: str) -> str:
    """What fills an area of a tone: a class, or the pattern that is added to the definitions."""
    if tone not in _OVER and tone != "part-3":
        return ""
    made = SubElement(
        defs, "pattern", id=name, width="8", height="8", patternUnits="userSpaceOnUse"
    )
    SubElement(made, "rect", {"width": "8", "height": "8", "class": f"f-{tone}"})
    if tone == "part-3":
        for x, y in ((2, 2), (6, 6)):
            SubElement(made, "circle", {"cx": str(x), "cy": str(y), "r": "1", "class": "dot"})
    else:
        SubElement(made, "path", {"d": _OVER[tone], "class": "over", "stroke-width": "1"})
    return f"url(#{name})"
