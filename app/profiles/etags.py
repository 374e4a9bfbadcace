"""The entity tags of profiles: a revision's number, and what a request may ask of it."""

import re
from typing import Annotated

from fastapi import Header
from starlette.datastructures import Headers

from app.http.etags import ETAGS, to_change

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        json_schema_extra=ETAGS,
        description='The ETag of the revision the change starts from, e.g. `"3"`.',
    ),
]
ETAG = {"ETag": {"description": 'The revision, e.g. `"3"`.', "schema": {"type": "string"}}}


def declare_if_none_match(
    if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="ETags the caller has; 304 if the latest is among them.",
        ),
    ] = None,
) -> None:
    """Declare what `held` reads."""


def etag(revision: int, *, stale: bool = False) -> str:
    """The entity tag of a revision: numbers are never reused, so it names its content for ever.

    Only a timing changes once, when it is called stale; a change from either is a change from that
    revision.
    """
    return f'"{revision}-stale"' if stale else f'"{revision}"'


def expected_revisions(headers: Headers) -> set[int] | None:
    """The revisions an If-Match header accepts, None for `*`. Raises InvalidRequest."""
    tags = to_change(headers)
    if tags is None:
        return None
    ours = (re.fullmatch(r'"([1-9][0-9]{0,8})(-stale)?"', tag) for tag in tags)
    return {int(tag[1]) for tag in ours if tag}
