"""Answers that come at once or later: what callers prefer, and what they are told."""

import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from sqlalchemy import select

from app.auth.callers import ANYONE, Caller
from app.db import Database
from app.drivers import AWAY
from app.errors import in_one_line
from app.hands import resting
from app.http.answers import rendered
from app.http.preferences import Preferences, preferences
from app.plans import orders
from app.plans.schemas import UNENDED
from app.plans.tables import DurableRow

log = logging.getLogger(__name__)

# Callers who want to wait longer listen to the plan's events.
_MOST_WAIT_S = 60.0
_LOOK_S = 0.05
TWIN_WAIT_S = 5.0
"""The same small request at the same time: the second caller waits so long for the first one's
answer."""
# Whoever waits holds one of the web's 40 threads: the others are for everyone else.
_SEATS = threading.BoundedSemaphore(16)


def _headers(
    prefer: Annotated[
        str | None,
        Header(
            description=(
                "`respond-async`: answer 202 at once; `wait=2`: answer 202 if it takes longer (RFC"
                " 7240)."
            )
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description=(
                "The same key with the same body is the same plan, or validation, however often it"
                " is sent."
            ),
        ),
    ] = None,
) -> None:
    """Declare what `preferences_of` and `key_of` read."""


HEADERS = Depends(_headers)

RETRY = {
    "Retry-After": {
        "schema": {"type": "integer"},
        "description": "Seconds after which to look again",
    }
}


def located(noun: str) -> dict[str, Any]:
    """The headers of an answer that is at once or under way."""
    return {
        "Location": {"schema": {"type": "string"}, "description": f"Address of the {noun}"},
        "Preference-Applied": {
            "schema": {"type": "string"},
            "description": "Which preferences were honoured",
        },
    }


def preferences_of(request: Request) -> Preferences:
    """What a caller prefers."""
    return preferences(",".join(request.headers.getlist("prefer")), _MOST_WAIT_S)


def repeated_wait_s(asked: Preferences, otherwise_s: float) -> float:
    """How long who asks for the same again waits for its end."""
    if asked.respond_async:
        return 0.0
    return otherwise_s if asked.wait_s is None else asked.wait_s


def key_of(request: Request) -> orders.Key | None:
    """The Idempotency-Key, which counts for the caller and the path it was sent with."""
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    known: orders.Key | None = getattr(request.state, "idempotency", None)
    if known is not None:  # made once, for it takes the digest of the body
        return known
    caller: Caller = request.state.caller
    # Of those without a key as it was before there were keys: what was kept then still counts.
    whose = "" if caller == ANYONE else f"{caller.project}\0{caller.key_id}\0"
    scope = hashlib.sha256(f"{whose}{request.url.path}\0{given}".encode()).hexdigest()
    key = orders.Key(scope, orders.digest(request.value))  # type: ignore[attr-defined]  # of StrictRoute
    request.state.idempotency = key
    return key


def answered(
    document: dict[str, Any], address: str, asked: Preferences, about_s: float, ended: int
) -> Response:
    """The answer that is a document: with the status of ended work, or as what is under way."""
    if document["status"] in UNENDED:
        return accepted(document, address, asked, about_s)
    return created(document, address, asked, ended)


def created(
    document: dict[str, Any], address: str, asked: Preferences, status: int = 201
) -> Response:
    """The answer that is there already."""
    honoured = Preferences(wait_s=asked.wait_s)  # it was asked to be late, and is not
    return rendered(document, status, {"Location": address, **honoured.applied})


def accepted(
    document: dict[str, Any], address: str, asked: Preferences, about_s: float
) -> Response:
    """The answer that something is under way, and about how long it takes."""
    headers = {"Location": address, "Retry-After": str(min(60, max(1, round(about_s))))}
    return rendered(document, 202, headers | asked.applied)


@contextmanager
def perhaps_seen(noun: str, work_id: str) -> Iterator[None]:
    """Look how work goes on that was stored just now: a database that cannot say so takes nothing
    back, and its caller is told what was stored.
    """
    try:
        yield
    except AWAY as away:
        log.warning("%s %s is accepted, and not looked at: %s", noun, work_id, in_one_line(away))


def ended_within(database: Database, rows: type[DurableRow], work_id: str, seconds: float) -> None:
    """Wait until a piece of work ends (or goes), at most for so many seconds, and not at all where
    too many wait already.
    """
    until = time.monotonic() + seconds
    if seconds <= 0.0 or not _SEATS.acquire(blocking=False):
        return
    resting()
    try:
        while time.monotonic() < until:
            with database.reading() as session:
                status = session.scalar(select(rows.status).where(rows.id == work_id))
            if status not in UNENDED:
                return
            time.sleep(_LOOK_S)
    finally:
        _SEATS.release()
