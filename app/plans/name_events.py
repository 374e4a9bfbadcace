"""Names of plans as server-sent events: what was kept of them, then what happens.

However many listen, each process asks the database once, for all the names that are followed.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fastapi import Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from app import instants
from app.db import Database, database_of
from app.drivers import AWAY
from app.errors import in_one_line
from app.hands import Hands
from app.plans import heads, successions
from app.plans.tables import NameEventRow, PlanNameRow

log = logging.getLogger(__name__)

_LOOK_S = 0.3
_HEARTBEAT_S = 15.0
# What a reader waits before it connects again.
_RECONNECT_MS = 2000
_PAGE = 100
# Names in one query.
_TOGETHER = 500
# The id of how a name without events stands.
_NO_EVENT = 0
# Postgres refuses to look for what its column cannot hold.
LARGEST_ID = 2**63 - 1

Event = tuple[int, bytes]
"""An event's id, and the event as it is sent."""
Followed = tuple[str, str]
"""A project, and a name of its plans."""


@dataclass(slots=True)
class _Feed:
    """What is known of a name while somebody follows it."""

    latest: int = _NO_EVENT
    listeners: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and replaced, each time that there may be something new."""
    read: asyncio.Lock = field(default_factory=asyncio.Lock)
    page: tuple[int, list[Event]] = (-1, [])
    """The events that were read last, and the id after which they are."""

    def wake(self) -> None:
        """Have everybody look who waits."""
        self.news.set()
        self.news = asyncio.Event()


class NameWatch:
    """Looks for events of the names that are followed in this process."""

    def __init__(self, database: Database, hands: Hands, draining: threading.Event) -> None:
        self._database, self._hands, self.draining = database, hands, draining
        self._feeds: dict[Followed, _Feed] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self, followed: Followed) -> Iterator[_Feed]:
        """Follow a name; in the event loop."""
        feed = self._feeds.setdefault(followed, _Feed())
        feed.listeners += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield feed
        finally:
            feed.listeners -= 1
            if not feed.listeners:
                del self._feeds[followed]

    async def since(self, followed: Followed, feed: _Feed, after: int) -> list[Event]:
        """Events of a name after one, read once for all who have come as far."""
        async with feed.read:
            first, events = feed.page
            if not first <= after or not events or events[-1][0] <= after:
                project, name = followed
                mine = self._database.of(project)
                events = await self._hands.do("reading", _since, mine, name, after)
                feed.page = after, events
        return [event for event in events if event[0] > after]

    async def _look(self) -> None:
        while self._feeds:
            await asyncio.sleep(_LOOK_S)
            if self.draining.is_set():
                latest = {}
            else:
                try:
                    followed_now = list(self._feeds)
                    latest = await self._hands.do("reading", _latest, self._database, followed_now)
                except AWAY as away:
                    log.warning("names of plans are not looked at: %s", in_one_line(away))
                    continue
            for followed, feed in self._feeds.items():
                if self.draining.is_set() or latest.get(followed, feed.latest) != feed.latest:
                    feed.latest = latest.get(followed, feed.latest)
                    feed.wake()


def stream(request: Request, name: str, last_event_id: str | None) -> Response:
    """What happened to a name since an event, and what happens from now on."""
    watch: NameWatch = request.app.state.names
    after, first = _beginning(database_of(request), name, last_event_id)
    followed = request.state.caller.project, name
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(_told(watch, followed, after, first), headers=headers)


def _beginning(database: Database, name: str, last_event_id: str | None) -> tuple[int, list[Event]]:
    """The event after which a reader wants more; whoever names an unknown one is told how the name
    stands.
    """
    with database.reading() as session:
        # Before how it stands: what comes between the two looks is told again, not missed.
        latest = session.scalar(select(PlanNameRow.event).where(PlanNameRow.name == name)) or 0
        known = _number(last_event_id)
        if known is not None and _is_kept(session, name, known, latest):
            return known, []
        now = successions.standing(name, heads.current(session, name))
        return latest, [(latest, _sent(latest, "current", now))]


def _is_kept(session: Session, name: str, known: int, latest: int) -> bool:
    """Whether everything is kept that happened to a name after an event."""
    mine = NameEventRow.name == name
    if known == _NO_EVENT:
        kept = session.scalar(select(func.count()).select_from(NameEventRow).where(mine)) or 0
        return kept < successions.MOST_EVENTS
    found = select(NameEventRow.id).where(mine, NameEventRow.id == known)
    return known == latest or session.scalar(found) is not None


def _number(last_event_id: str | None) -> int | None:
    """The id that a reader names, if it can be one."""
    given = last_event_id or ""
    if not given.isascii() or not given.isdecimal() or len(given) > len(str(LARGEST_ID)):
        return None
    return number if (number := int(given)) <= LARGEST_ID else None


def _since(database: Database, name: str, after: int) -> list[Event]:
    mine = select(NameEventRow).where(NameEventRow.name == name, NameEventRow.id > after)
    with database.reading() as session:
        found = session.scalars(mine.order_by(NameEventRow.id).limit(_PAGE))
        return [(event.id, _sent(event.id, event.kind, event.data)) for event in found]


def _latest(database: Database, followed: list[Followed]) -> dict[Followed, int]:
    """The latest event of each name that has any."""
    whose = tuple_(PlanNameRow.project, PlanNameRow.name)
    found: dict[Followed, int] = {}
    with database.reading() as session:
        for start in range(0, len(followed), _TOGETHER):
            some = whose.in_(followed[start : start + _TOGETHER])
            columns = select(PlanNameRow.project, PlanNameRow.name, PlanNameRow.event)
            rows = session.execute(columns.where(some))
            found |= {(row.project, row.name): row.event for row in rows}
    return found


def _sent(event_id: int, kind: str, data: successions.Json) -> bytes:
    return format_sse_event(
        data_str=instants.json(data).decode(), event=kind, id=str(event_id), retry=_RECONNECT_MS
    )


async def _told(
    watch: NameWatch, followed: Followed, after: int, events: list[Event]
) -> AsyncIterator[bytes]:
    with watch.listening(followed) as feed:
        while True:
            for event_id, content in events:
                yield content
                after = event_id
            events = []
            if watch.draining.is_set():
                return  # the reader connects again, to whoever is there then
            news = feed.news
            if feed.latest <= after:
                try:
                    await asyncio.wait_for(news.wait(), _HEARTBEAT_S)
                except TimeoutError:
                    yield KEEPALIVE_COMMENT
                continue
            try:
                events = await watch.since(followed, feed, after)
            except AWAY:
                return  # the reader comes back, and misses nothing
            if not events:  # forgotten together with the name
                after = feed.latest
