"""Work that outlives the processes that are at it, whatever it is: a plan, a validation.

Every step is one transaction. Whoever begins the work counts up its `attempt`, and only the latest
attempt may write.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import KeyReused, QueueFull
from app.plans.orders import Key
from app.plans.schemas import UNENDED
from app.plans.tables import DurableRow
from app.queue import Lane
from app.telemetry.origin import Origin
from solvers.progress import Stop

R = TypeVar("R", bound=DurableRow)

PAGE = 500
"""So many lost pieces are looked for at a time."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What a worker needs to know of work that it is about to have done."""

    work_id: str
    time_limit_s: float | None  # None: there is none
    attempts: int
    has_webhook: bool = False
    accepted_at: datetime | None = None
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Unended work, and what the queue needs to know of it."""

    work_id: str
    users: int
    priority: str = "normal"


@dataclass(frozen=True, slots=True)
class Ending:
    """How work ends that was ended from outside; a failed one says why."""

    status: Literal["failed", "cancelled", "timed_out"]
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work, as workers see it."""

    noun: str
    rows: type[DurableRow]
    lanes: Sequence[Lane]
    """The first is that of small work, the last that of other."""
    run: Callable[[Database, str], None]
    """Do a piece and end it, in a process that may be killed."""
    limits: Callable[[Database, str], RunLimits | None]
    """Of an unended piece; None where there is nothing to do any more."""
    end: Callable[[Database, str, Ending], object]
    """End a piece whose attempt was stopped from outside."""
    hand_back: Callable[[Database, Iterable[str]], None]
    """Put what runs of these back in line: their attempts end without an answer."""
    unended: Callable[[Database, float, str], Sequence[Waiting]]
    """What was accepted so many seconds ago and has not ended, by id from the first after one."""


def waiting(session: Session, rows: type[DurableRow]) -> int:
    """How many pieces are in line."""
    queued = select(func.count()).select_from(rows).where(rows.status == "queued")
    return session.scalar(queued) or 0


def require_room(session: Session, rows: type[DurableRow], most: int) -> None:
    """Raise QueueFull where so many pieces are in line."""
    if (line := waiting(session, rows)) >= most:
        raise QueueFull(
            f"{line} {rows.__tablename__}s are in line.", retry_after_s=min(60, 1 + line // 100)
        )


def known(database: Database, rows: type[DurableRow], key: Key) -> str | None:
    """The id of what came with this key. Raises KeyReused where it came with another body."""
    with database.reading() as session:
        found = session.execute(
            select(rows.id, rows.idempotency_body).where(rows.idempotency == key.scope)
        ).one_or_none()
    if found is None:
        return None
    if found.idempotency_body != key.body:
        noun = rows.__tablename__
        raise KeyReused(f"The key belongs to the {noun} {found.id!r}, whose request is another.")
    return str(found.id)


def unended(session: Session, rows: type[R], work_id: str) -> R | None:
    """An unended piece, held; None where it has ended or is gone."""
    return session.scalars(
        select(rows).where(rows.id == work_id, rows.status.in_(UNENDED)).with_for_update()
    ).one_or_none()


def begin(row: DurableRow) -> None:
    """Begin an attempt at a piece that is held."""
    row.status, row.attempt = "running", row.attempt + 1
    row.started_at = row.started_at or datetime.now(UTC)


def holds(rows: type[DurableRow], work_id: str, attempt: int) -> ColumnElement[bool]:
    """Whether an attempt is still the one that may write, as a condition on the row."""
    return and_(rows.id == work_id, rows.attempt == attempt, rows.status == "running")


def wanted_stopped(database: Database, rows: type[DurableRow]) -> dict[str, Stop]:
    """What runs and someone asked to stop."""
    with database.reading() as session:
        asked = select(rows.id, rows.cancel).where(rows.status == "running", ~rows.cancel.is_(None))
        return {work_id: Stop(cancel) for work_id, cancel in session.execute(asked) if cancel}


def ask_to_stop(row: DurableRow, stop: Stop) -> bool:
    """Ask for a piece that is held to be stopped; whether nobody is at it, so that it can end at
    once.
    """
    if row.status == "running" and row.cancel != Stop.DROP:
        row.cancel = stop.value
    return row.status == "queued"


def hand_back(
    database: Database,
    rows: type[R],
    work_ids: Iterable[str],
    tell: Callable[[Session, R], None] = lambda _, __: None,
) -> None:
    """Put what runs of these back in line: their attempts end without an answer."""
    with database.writing() as session:
        running = session.scalars(
            select(rows)
            .where(rows.id.in_(list(work_ids)), rows.status == "running")
            .with_for_update()
        )
        for row in running:
            # Counted up, so that the attempt that is given up can write no more.
            row.status, row.attempt = "queued", row.attempt + 1
            tell(session, row)


def lost(rows: type[DurableRow], older_than_s: float, after: str) -> ColumnElement[bool]:
    """Whether a piece has not ended and was accepted so long ago, of those after an id."""
    before = datetime.now(UTC) - timedelta(seconds=older_than_s)
    return and_(rows.status.in_(UNENDED), rows.created_at <= before, rows.id > after)
