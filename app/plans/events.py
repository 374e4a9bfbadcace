"""A plan as server-sent events: what was kept of its way, then what happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import instants
from app.db import Database, database_of
from app.errors import PlanNotFound
from app.hands import Hands
from app.http.media import EVENTS
from app.plans import service
from app.plans.schemas import ENDED, REVOKED
from app.plans.tables import PlanEventRow, PlanRow

_LOOK_S = 0.3
_HEARTBEAT_S = 15.0
# What a reader waits before it connects again.
_RECONNECT_MS = 2000
_PAGE = 200
# The id of the end of plans that are older than events.
_BEFORE_EVENTS = 0
# Postgres refuses to look for what its column cannot hold.
_LARGEST_ID = 2**31 - 1

Event = tuple[int, str, dict[str, Any]]


def stream(request: Request, plan_id: str, last_event_id: str | None) -> Response:
    """What happened to a plan since an event, and what happens until its end.

    Raises PlanNotFound.
    """
    database = database_of(request)
    with database.reading() as session:
        row = service.find(session, plan_id)
        after = _position(session, row.number, last_event_id)
        events = _later(session, row, after)
        ended = row.status in ENDED
    if not events and ended:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    last = next((n for n, (_, kind, _) in enumerate(events) if kind == "end"), None)
    if last is not None:  # nothing is left to wait for
        told = b"".join(_sent(*event) for event in events[: last + 1])
        return Response(told, 200, headers, EVENTS)
    return EventSourceResponse(
        _told(request.app, database, plan_id, after, events), headers=headers
    )


def _position(session: Session, number: int, last_event_id: str | None) -> int:
    """The event of a plan after which a reader wants more; whoever names an unknown one is shown
    the latest.
    """
    mine = select(PlanEventRow.id).where(PlanEventRow.plan_number == number)
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdecimal():
        known = int(last_event_id) if len(last_event_id) < 19 else _LARGEST_ID + 1
        if known == _BEFORE_EVENTS:
            return known
        if (
            known <= _LARGEST_ID
            and session.scalar(mine.where(PlanEventRow.id == known)) is not None
        ):
            return known
    return (session.scalar(select(func.max(mine.subquery().c.id))) or 0) - 1


def _later(session: Session, row: PlanRow, after: int) -> list[Event]:
    """The kept events of a plan after one: their data is the plan as it was then."""
    later = session.scalars(
        select(PlanEventRow)
        .where(PlanEventRow.plan_number == row.number, PlanEventRow.id > after)
        .order_by(PlanEventRow.id)
        .limit(_PAGE)
    ).all()
    if not later and after < _BEFORE_EVENTS and row.status in ENDED:
        return [(_BEFORE_EVENTS, "end", service.heading(session, row))]
    now = service.heading(session, row) if later else {}
    return [(event.id, *_as_it_was(event, now)) for event in later]


def _since(database: Database, plan_id: str, after: int) -> list[Event]:
    """The kept events of a plan after one, looked for anew. Raises PlanNotFound."""
    with database.reading() as session:
        return _later(session, service.find(session, plan_id), after)


def _as_it_was(event: PlanEventRow, now: dict[str, Any]) -> tuple[str, dict[str, Any]]:
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
    app: FastAPI, database: Database, plan_id: str, after: int, events: list[Event]
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
        try:
            events = await hands.do("reading", _since, database, plan_id, after)
        except PlanNotFound:
            return  # deleted while it was followed
