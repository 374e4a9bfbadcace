"""Styles and scripts of the pages, from the package, at addresses that name their content."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import Response

from app.errors import NothingHere

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# What has the address has the content: nobody needs to ask again.
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Assets:
    """All files together have one digest, so that scripts can import each other by name."""

    digest: str
    contents: dict[str, bytes]


@cache
def assets() -> Assets:
    """Read once; a process serves what it was started with."""
    folder = files("app.ui") / "static"
    contents = {
        each.name: each.read_bytes()
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
        if each.name.rpartition(".")[2] in _TYPES
    }
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return Assets(digest.hexdigest()[:16], contents)


def told(digest: str, name: str) -> Response:
    """A file. Raises NothingHere, also where a page of another release asks for its own."""
    content = assets().contents.get(name)
    if content is None or digest != assets().digest:
        raise NothingHere(f"The pages have no file {name[:100]!r} of the version {digest[:20]!r}.")
    return Response(content, 200, _KEPT, _TYPES[name.rpartition(".")[2]])
