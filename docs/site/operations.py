"""`{operations}`, `{schemas}` and `{settings}`: what is in code, as pages; `/docs` of a service
without the service, from the same files of Swagger UI.
"""

import json
import shutil
from pathlib import Path
from typing import ClassVar

import fastapi_offline
from docutils import nodes
from environment import settings
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from openapi import OPENAPI, document, operations, schemas

SWAGGER = Path(fastapi_offline.__file__).parent / "static"
EXPLORER = Path(__file__).parent / "explorer.html"


class Written(SphinxDirective):
    """Markdown that a function writes."""

    has_content = False
    WRITE: ClassVar = {
        "operations": lambda: operations(document()),
        "schemas": lambda: schemas(document()),
        "settings": settings,
    }

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(OPENAPI))
        text = "\n".join(self.WRITE[self.name]())
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def explore(app: Sphinx, failure: Exception | None) -> None:
    """Swagger UI beside the pages, with the document in it: a page that was opened as a file may
    fetch nothing.
    """
    if failure is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "explorer"
    folder.mkdir(exist_ok=True)
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        shutil.copy(SWAGGER / name, folder)
    spec = json.dumps(document()).replace("<", "\\u003c")
    (folder / "index.html").write_text(EXPLORER.read_text().replace("{{ document }}", spec))


def setup(app: Sphinx) -> dict[str, bool]:
    for name in Written.WRITE:
        app.add_directive(name, Written)
    app.connect("build-finished", explore)
    return {"parallel_read_safe": True}
