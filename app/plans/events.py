"""A plan as server-sent events: what was kept of its way, then what happens."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from sqlalchemy import Integer, Row, bindparam, func, select
from sqlalchemy.orm import Session

from app import instants
from app.db import Database, database_of, table_of
from app.errors import PlanNotFound
from app.hands import Hands
from app.http.media import EVENTS
from app.plans import service
from app.plans.heads import Head
from app.plans.schemas import ENDED, REVOKED
from app.plans.tables import PlanEventRow

_LOOK_S = 0.3
_HEARTBEAT_S = 15.0
# What a reader waits before it connects again.
_RECONNECT_MS = 2000
_PAGE = 200
# The id of the end of plans that are older than events.
_BEFORE_EVENTS = 0
# Postgres refuses to look for what its column cannot hold.
_LARGEST_ID = 2**31 - 1

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Event = tuple[int, str, dict[str, Any]]
Since = Callable[[int], list[Event] | None]
"""The events after one, looked for anew; None where what was followed was deleted."""

_EVENTS = table_of(PlanEventRow).c
_MINE = _EVENTS.plan_number == bindparam("number", type_=Integer())
_LATEST = select(func.max(_EVENTS.id)).where(_MINE)
_AFTER = (
    select(_EVENTS.id, _EVENTS.status, _EVENTS.progress)
    .where(_MINE, _EVENTS.id > bindparam("after", type_=_EVENTS.id.type))
    .order_by(_EVENTS.id)
    .limit(bindparam("most", type_=Integer()))
)


def stream(request: Request, plan_id: str, last_event_id: str | None) -> Response:
    """What happened to a plan since an event, and what happens until its end.

    Raises PlanNotFound.
    """
    database = database_of(request)
    with database.reading() as session:
        row = service.head(session, plan_id)
        after = _position(session, row.number, last_event_id)
        events = _later(session, row, after)
        ended = row.status in ENDED
    if not events and ended:
        return Response(status_code=204)
    last = next((n for n, (_, kind, _) in enumerate(events) if kind == "end"), None)
    if last is not None:  # nothing is left to wait for
        told = b"".join(_sent(*event) for event in events[: last + 1])
        return Response(told, 200, _HEADERS, EVENTS)
    return followed(request, partial(_since, database, plan_id), after, events)


def followed(request: Request, since: Since, after: int, events: list[Event]) -> Response:
    """Events that were found after one, then those that come to be, until an `end`."""
    return EventSourceResponse(_told(request.app, since, after, events), headers=_HEADERS)


def _position(session: Session, number: int, last_event_id: str | None) -> int:
    """The event of a plan after which a reader wants more; whoever names an unknown one is shown
    the latest.
    """
    asked = session.connection().execute
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdecimal():
        known = int(last_event_id) if len(last_event_id) < 19 else _LARGEST_ID + 1
        if known == _BEFORE_EVENTS:
            return known
        if known <= _LARGEST_ID:
            one = {"number": number, "after": known - 1, "most": 1}
            if asked(_AFTER, one).scalar() == known:
                return known
    return (asked(_LATEST, {"number": number}).scalar() or 0) - 1


def _later(session: Session, row: Head, after: int) -> list[Event]:
    """The kept events of a plan after one: their data is the plan as it was then."""
    asked = {"number": row.number, "after": after, "most": _PAGE}
    later = session.connection().execute(_AFTER, asked).all()
    if not later and after < _BEFORE_EVENTS and row.status in ENDED:
        return [(_BEFORE_EVENTS, "end", service.read_heading(session, row.id))]
    now = service.read_heading(session, row.id) if later else {}
    return [(event.id, *_as_it_was(event, now)) for event in later]


def _since(database: Database, plan_id: str, after: int) -> list[Event] | None:
    try:
        with database.reading() as session:
            return _later(session, service.head(session, plan_id), after)
    except PlanNotFound:
        return None


def _as_it_was(event: Row[*tuple[Any, ...]], now: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if event.status == REVOKED:
        return REVOKED, now
    if event.status in ENDED:
        return "end", now
    past = now | {"status": event.status, "result": None, "finished_at": None}
    past.pop("infeasible", None)
    past.pop("failure", None)
    return "progress", past | {"progress": event.progress or service.no_progress(event.status)}


def _sent(event_id: int, kind: str, document: dict[str, Any]) -> bytes:
    return format_sse_event(
        data_str=instants.json(document).decode(), event=kind, id=str(event_id), retry=_RECONNECT_MS
    )


async def _told(
    app: FastAPI, since: Since, after: int, events: list[Event]
) -> AsyncIterator[bytes]:
    hands: Hands = app.state.hands
    heard = time.monotonic()
    while True:
        for after, kind, document in events:
            yield _sent(after, kind, document)
            heard = time.monotonic()
            if kind == "end":
                return
        if app.state.draining.is_set():
            return  # the reader connects again, to whoever is there then
        if time.monotonic() - heard > _HEARTBEAT_S:
            yield KEEPALIVE_COMMENT
            heard = time.monotonic()
        await asyncio.sleep(_LOOK_S)
        found = await hands.do("reading", since, after)
        if found is None:
            return  # deleted while it was followed
        events = found
