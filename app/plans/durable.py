"""Work that outlives the processes that are at it, whatever it is: a plan, a validation.

Its row is all there is of it: the queue is what is `queued`. Every step is one transaction. Whoever
begins the work counts up its `attempt`, and only the latest attempt may write.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

from fastapi import Request
from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app import about
from app.about import About
from app.db import Database, table_of
from app.drivers import AWAY
from app.errors import KeyReused, QueueFull, TooManyAtOnce
from app.news import Lane
from app.plans.progress import Report, Standing
from app.plans.schemas import UNENDED
from app.plans.tables import DurableRow
from app.projects import DEFAULT, OF_PROJECT, ask, everywhere, project_of
from app.telemetry import traces
from app.telemetry.origin import Origin
from solvers.progress import Step, Stop

if TYPE_CHECKING:  # whoever looks how long a line is need not load what plans are made of
    from app.plans.orders import Key

R = TypeVar("R", bound=DurableRow)


@dataclass(frozen=True, slots=True)
class Taken:
    """The right of a worker to end a piece of work, until someone else takes it."""

    work_id: str
    attempt: int
    time_limit_s: float | None = None  # None: there is none
    accepted_at: datetime | None = field(default=None, compare=False)
    origin: Origin = field(default_factory=Origin, compare=False)
    project: str = field(default=DEFAULT, compare=False)
    """Whose it is: workers look after the work of all projects, and what they do of a piece sees
    that project alone."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How work ends that was ended from outside; a failed one says why."""

    status: Literal["failed", "cancelled", "timed_out"]
    reason: str = ""
    detail: str = ""


class Teller(Protocol):
    """What a process that works tells whoever watches over it."""

    def at(self, work_id: str) -> None:
        """It is at this piece now."""

    def ended(self, work_ids: Sequence[str]) -> None:
        """These have ended, or are someone else's: there is nothing left to do."""

    def broken(self, work_id: str) -> None:
        """This one can be neither read nor stored, and will not be next time either."""

    def enough(self) -> bool:
        """Whether it shall begin nothing more."""


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work, as workers see it."""

    noun: str
    rows: type[DurableRow]
    lanes: dict[Lane, ColumnElement[bool]]
    """What there is to be done of each lane, as a condition on rows."""
    order: Sequence[ColumnElement[Any] | InstrumentedAttribute[Any]]
    """Who goes first."""
    limit_s: ColumnElement[float | None]
    """How long a piece may take."""
    run: Callable[[Database, Sequence[Taken], Teller], None]
    """Do pieces one after the other and end them, in a process that may be killed."""
    end: Callable[[Database, str, Ending], object]
    """End a piece whose attempt was stopped from outside."""
    tell: Callable[[Session, Sequence[str], Literal["queued", "running"]], None]
    """Tell those who follow these pieces that they run, or are in line again."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is taken at a time by one who works."""

    kind: Work
    lane: Lane
    most: int


def broken(noun: str) -> Ending:
    """The end of a piece that can be neither read nor stored."""
    detail = (
        "The service failed around its work. The workers' log has the cause, under the id of the"
        f" {noun}."
    )
    return Ending("failed", "internal", detail)


def waiting(session: Session, rows: type[DurableRow]) -> int:
    """How many pieces are in line, of all projects."""
    queued = select(func.count()).select_from(rows).where(rows.status == "queued")
    return session.scalar(everywhere(queued)) or 0


@dataclass(frozen=True, slots=True)
class Room:
    """How much work there may be before more is refused."""

    queued: int
    """In line, of all projects."""
    at_once: int | None = None
    """Of one project, in line or being done; None: as much as is in line."""

    @classmethod
    def of(cls, request: Request) -> Self:
        """What the settings and the caller's own limits say."""
        most: int | None = request.state.limits.max_plans_at_once
        return cls(request.app.state.settings.max_queued, most)


def require_room(session: Session, rows: type[DurableRow], room: Room) -> None:
    """Refuse more work. Raises QueueFull, TooManyAtOnce.

    On SQLite who writes is alone. On Postgres others may store theirs at the same time: what is
    about to be committed is looked at again by `require_still_room`.
    """
    if room.at_once is not None:
        _require_few(session, rows, room.at_once - 1)
    if (line := waiting(session, rows)) >= room.queued:
        raise QueueFull(
            f"{line} {rows.__tablename__}s are in line.", retry_after_s=min(60, 1 + line // 100)
        )


def require_still_room(session: Session, rows: type[DurableRow], room: Room) -> None:
    """Refuse what was stored in this transaction, as its last step, where others of the project
    were first. Raises TooManyAtOnce.
    """
    if room.at_once is None or session.get_bind().dialect.name != "postgresql":
        return
    # Held until the commit, which follows at once: whoever comes next sees what was stored here.
    turn = func.hashtextextended(f"{rows.__tablename__} {project_of(session)}", 0)
    session.execute(select(func.pg_advisory_xact_lock(turn)))
    _require_few(session, rows, room.at_once)


def _require_few(session: Session, rows: type[DurableRow], most: int) -> None:
    own = select(func.count()).select_from(rows).where(rows.status.in_(UNENDED))
    if (found := session.scalar(own) or 0) > most:
        noun = rows.__tablename__
        raise TooManyAtOnce(
            f"{found} {noun}s of the project are in line or being worked on, as many as it may"
            " have at once.",
            retry_after_s=min(60, 1 + found // 100),
        )


def known(database: Database, rows: type[DurableRow], key: "Key") -> str | None:
    """The id of what came with this key. Raises KeyReused where it came with another body."""
    with database.reading() as session:
        found = ask(session, _with_key(table_of(rows)), scope=key.scope).one_or_none()
    if found is None:
        return None
    if found.idempotency_body != key.body:
        noun = rows.__tablename__
        raise KeyReused(f"The key belongs to the {noun} {found.id!r}, whose request is another.")
    return str(found.id)


@cache
def _with_key(table: Table) -> Select[*tuple[Any, ...]]:
    of = table.c
    mine = of.idempotency == bindparam("scope"), of.project == OF_PROJECT
    return select(of.id, of.idempotency_body).where(*mine)


def unended(session: Session, rows: type[R], work_id: str) -> R | None:
    """An unended piece, held; None where it has ended or is gone."""
    return session.scalars(
        select(rows).where(rows.id == work_id, rows.status.in_(UNENDED)).with_for_update()
    ).one_or_none()


def holds(rows: type[DurableRow], taken: Taken) -> ColumnElement[bool]:
    """Whether an attempt is still the one that may write, as a condition on the row."""
    return and_(rows.id == taken.work_id, rows.attempt == taken.attempt, rows.status == "running")


def reporting(
    database: Database,
    rows: type[DurableRow],
    taken: Taken,
    tell: Callable[[Session, Step], object],
) -> Report:
    """How an attempt says by `tell` how far it has come, and learns whether it is still wanted."""
    asked = select(rows.cancel).where(holds(rows, taken))

    def report(news: Step | None) -> Standing:
        with database.reading() if news is None else database.writing() as session:
            # Held, so that nobody ends the work in between: an event after its end would leave its
            # readers waiting.
            found = session.execute(
                asked if news is None else asked.with_for_update()
            ).one_or_none()
            if found is None:
                return Standing(holds=False)
            if news is not None:
                tell(session, news)
            return Standing(holds=True, stop=Stop(found.cancel) if found.cancel else None)

    return report


def concerning(noun: str, piece: Taken) -> AbstractContextManager[About]:
    """Have the lines of the log be about a piece, and about who asked for it."""
    what = About(piece.origin.request_id)
    setattr(what, f"{noun}_id", piece.work_id)
    return about.Concerning(what)


@contextmanager
def worked_on(noun: str, piece: Taken) -> Iterator[None]:
    """Have lines and traces be about a piece, as long as a solver is at it."""
    with concerning(noun, piece), traces.span(f"solver of {noun}", piece.origin.traceparent):
        yield


def one_by_one(
    noun: str,
    work: Callable[[Database, Taken], object],
    failed: Callable[[str], object],
    database: Database,
    taken: Sequence[Taken],
    teller: Teller,
) -> None:
    """Do pieces one after the other by `work`, which also ends them, as far as the teller wants it.

    What `work` raises is told by `failed`, which is given the id of the piece, and the others are
    done; but a database that is away ends all of it.
    """
    for piece in taken:
        if teller.enough():
            return
        teller.at(piece.work_id)
        try:
            with worked_on(noun, piece):
                work(database.of(piece.project), piece)
        except AWAY:
            raise
        except Exception:
            failed(piece.work_id)
            teller.broken(piece.work_id)
        else:
            teller.ended([piece.work_id])


def traced(noun: str, piece: Taken) -> Taken:
    """A piece that a worker has taken just now, whose trace goes on from there."""
    within = piece.origin.traceparent
    if within is None:
        return piece
    if piece.accepted_at is not None and piece.attempt == 1:
        traces.waited(piece.accepted_at, within, f"{noun} in line")
    with traces.span(f"{noun} in a worker", within):
        origin = replace(piece.origin, traceparent=traces.traceparent() or within)
        return replace(piece, origin=origin)


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
