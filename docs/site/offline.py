"""The site works without a network: no page of it may load anything from elsewhere."""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"'](?:https?:)?//[^\"']+"
    r"|<link\b(?=[^>]*\brel=[\"'](?:stylesheet|preload|icon|preconnect))[^>]*\bhref=[\"'](?:https?:)?//[^\"']+",
)


def look(app: Sphinx, failure: Exception | None) -> None:
    """Raises ExtensionError where a page loads something from elsewhere."""
    if failure is not None:
        return
    found = [
        f"{page.relative_to(app.outdir)}: {tag[0]}"
        for page in Path(app.outdir).rglob("*.html")
        for tag in LOADED.finditer(page.read_text(encoding="utf-8"))
    ]
    if found:
        raise ExtensionError("loaded from elsewhere:\n" + "\n".join(found))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", look)
    return {"parallel_read_safe": True}
