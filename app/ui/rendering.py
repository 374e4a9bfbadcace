"""Templates become pages: what every page has, its policy, and the tag by which it is kept."""

import hashlib
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from app.http.etags import held
from app.ui import words
from app.ui.assets import assets
from app.ui.door import COOKIE, ROOT

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing of another origin, and nothing that stands within a page: no script, no style."""
NAVIGATION = (
    ("Overview", "/"),
    ("Plans", "/plans"),
    ("Experiments", "/experiments"),
    ("Profiles", "/profiles"),
    ("Drift", "/drift"),
)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("app.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= words.FILTERS
    return made


def page(scope: Scope, template: str, status: int = 200, **told: Any) -> Response:
    """A page; of one that the browser holds only that it is the same."""
    headers = Headers(scope=scope)
    root = scope.get("root_path", "")
    path = scope["path"].removeprefix(root)
    shown = (
        _templates()
        .get_template(template)
        .render(
            base=f"{root}{ROOT}",
            root=root,
            static=f"{root}{ROOT}/assets/{assets().digest}",
            navigation=NAVIGATION,
            path=path.removeprefix(ROOT) or "/",
            has_key=COOKIE in cookie_parser(headers.get("cookie", "")),
            project=_project(scope),
            **told,
        )
    )
    body = shown.encode()
    said = {"Content-Security-Policy": POLICY, "Content-Language": "en", "Vary": "Cookie"}
    if status == 200:
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        said |= {"ETag": tag}
        if held(headers, tag):
            return Response(None, 304, said)
    return Response(body, status, said, "text/html; charset=utf-8")


def _project(scope: Scope) -> str | None:
    """Whose things are seen, where somebody said who asks."""
    caller = scope.get("state", {}).get("caller")
    return None if caller is None or caller.key_id is None else caller.project
