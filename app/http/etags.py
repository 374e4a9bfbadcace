"""Entity tags (RFC 9110, 8.8.3): which answer a caller holds, and which it wants to change."""

import re
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import Headers

from app.errors import FieldError, InvalidRequest
from app.http.media import elements

_A_TAG = r'(W/)?"[!#-~]*"'
# Said in the documentation; what is refused is told in words.
ETAGS: dict[str, Any] = {"pattern": rf"^(\*|{_A_TAG}( *, *{_A_TAG})*)$"}
_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def held(headers: Headers, tag: str) -> bool:
    """Whether If-None-Match names an answer: weak tags count, and `*` is any (13.1.2)."""
    tags = elements(headers, "if-none-match")
    return tags == ["*"] or tag in [given.removeprefix("W/") for given in tags]


def to_change(headers: Headers) -> Sequence[str] | None:
    """The strong tags of If-Match, None for `*`: a weak one never matches (13.1.1).

    Raises InvalidRequest where an element is no tag, or the header is empty.
    """
    tags = elements(headers, "if-match")
    if tags == ["*"]:
        return None
    if not tags or not all(_TAG.fullmatch(tag) for tag in tags):
        detail = 'header parameter If-Match: must be an ETag in quotes, e.g. "3"'
        raise InvalidRequest([FieldError("", detail, parameter="If-Match")])
    return [tag for tag in tags if not tag.startswith("W/")]
