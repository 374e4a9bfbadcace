"""An experiment as server-sent events: how it stands, each time that something happened to it."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import instants
from app.db import Database, database_of
from app.errors import ExperimentNotFound
from app.experiments import service
from app.experiments.tables import ExperimentRow
from app.hands import Hands
from app.plans.schemas import UNENDED

_LOOK_S = 0.3
_HEARTBEAT_S = 15.0
# What a reader waits before it connects again.
_RECONNECT_MS = 2000

Event = tuple[int, dict[str, Any]]


def stream(request: Request, experiment_id: str, last_event_id: str | None) -> Response:
    """How an experiment stands, now and whenever that changes, until its end; nothing where the end
    was heard of.

    Raises ExperimentNotFound.
    """
    database = database_of(request)
    with database.reading() as session:
        number, document = _standing(session, experiment_id)
    if last_event_id == str(number) and document["status"] not in UNENDED:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    heard = None if last_event_id != str(number) else number
    told = _told(request.app, database, experiment_id, heard, (number, document))
    return EventSourceResponse(told, headers=headers)


def _standing(session: Session, experiment_id: str) -> Event:
    """The number of the latest event, and the experiment in brief. Raises ExperimentNotFound."""
    row = service.find(session, experiment_id)
    return row.event, service.heading(session, row)


def _since(database: Database, experiment_id: str, heard: int) -> Event | None:
    """How it stands now, where anything happened since. Raises ExperimentNotFound."""
    with database.reading() as session:
        asked = select(ExperimentRow.event).where(ExperimentRow.id == experiment_id)
        if session.scalar(asked) == heard:
            return None
        return _standing(session, experiment_id)


async def _told(
    app: FastAPI, database: Database, experiment_id: str, heard: int | None, now: Event
) -> AsyncIterator[bytes]:
    hands: Hands = app.state.hands
    news: Event | None = None if heard == now[0] else now
    last, said_at = now[0], time.monotonic()
    while True:
        if news is not None:
            last, document = news
            ended = document["status"] not in UNENDED
            yield format_sse_event(
                data_str=instants.json(document).decode(),
                event="end" if ended else "progress",
                id=str(last),
                retry=_RECONNECT_MS,
            )
            said_at = time.monotonic()
            if ended:
                return
        if app.state.draining.is_set():
            return  # the reader connects again, to whoever is there then
        if time.monotonic() - said_at > _HEARTBEAT_S:
            yield KEEPALIVE_COMMENT
            said_at = time.monotonic()
        await asyncio.sleep(_LOOK_S)
        try:
            news = await hands.do("reading", _since, database, experiment_id, last)
        except ExperimentNotFound:
            return  # deleted while it was followed
