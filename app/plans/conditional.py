"""Answers that a caller may hold already: plans, and what they say of one user."""

import hashlib
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from sqlalchemy.orm import Session

from app import instants
from app.http.answers import rendered
from app.http.etags import held
from app.http.media import JSON
from app.plans import service
from app.plans.heads import Head
from app.plans.tags import whole_tag

# Whoever holds an answer asks whether it is still the one.
ASK_AGAIN = {"Cache-Control": "no-cache"}
REVOKED_HEADER = {
    "Plan-Revoked": {
        "schema": {"type": "string", "format": "date-time"},
        "description": "Since when the plan is no longer trusted; only of a revoked one",
    }
}
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Unchanged since the ETag in If-None-Match"}
}


def _if_none_match(
    if_none_match: Annotated[
        str | None, Header(description="ETag of the answer already held.")
    ] = None,
) -> None:
    """Declare what `held` reads."""


IF_NONE_MATCH = Depends(_if_none_match)


def told_plan(session: Session, request: Request, row: Head) -> Response:
    """A plan, or that the caller holds it: that is known without reading what it says."""
    # The tag first: an answer newer than its tag is asked for again, an older one would stay.
    headers = ASK_AGAIN | {"ETag": whole_tag(session, row)}
    if held(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return rendered(service.get(session, row.id), headers=headers)


def told_user(
    session: Session, request: Request, row: Head, user_id: str, headers: dict[str, str]
) -> Response:
    """What a plan says of one user, or that the caller holds it."""
    content = instants.json(service.get_user(session, row, user_id))
    headers = headers | {"ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
    if row.revoked is not None:
        headers["Plan-Revoked"] = instants.text(row.revoked["at"])
    if held(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, JSON)
