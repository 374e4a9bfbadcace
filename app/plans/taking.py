"""Rows as a queue: workers take pieces of work, give them back, and take over what the dead had."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, literal, or_, select, update
from sqlalchemy.orm import Session

from app.db import Database
from app.news import Lane
from app.plans.durable import Ending, Taken, Work, holds
from app.telemetry.origin import Origin

# Work that so many workers died on is given up: it may be what they died of.
_DEATHS = 20


def in_line(session: Session, kinds: Collection[Work]) -> set[Lane]:
    """The lanes in which something waits."""
    lanes = {lane: (kind.rows, which) for kind in kinds for lane, which in kind.lanes.items()}
    asked = [
        exists().where(rows.status == "queued", which).label(lane)
        for lane, (rows, which) in lanes.items()
    ]
    found = session.execute(select(*asked)).one()
    return {lane for lane, waits in zip(lanes, found, strict=True) if waits}


def take(database: Database, kind: Work, lane: Lane, worker: str, most: int) -> list[Taken]:
    """Begin attempts at the first pieces of a lane for a worker; none where nothing waits.

    What a worker died on is taken alone, so that nothing else dies with it again.
    """
    with database.writing() as session:
        found = session.execute(_first(kind, lane, most)).all()
        over = {row.id: ending for row in found if (ending := _over(kind, row)) is not None}
        begun = [row for row in found if row.id not in over]
        begun = next(([row] for row in begun if row.deaths > 0), begun)
        taken = [
            Taken(
                *(row.id, row.attempt + 1, row.limit_s, row.created_at),
                Origin(row.request_id, row.traceparent),
                row.project,
            )
            for row in begun
        ]
        if taken:
            _begin(session, kind, [piece.work_id for piece in taken], worker)
    for work_id, ending in over.items():
        kind.end(database, work_id, ending)
    return taken


def _first(kind: Work, lane: Lane, most: int) -> Select[*tuple[Any, ...]]:
    """The first pieces of a lane, held; those that another worker holds are passed over."""
    rows = kind.rows
    wanted = select(
        *(rows.id, rows.attempt, rows.cancel, rows.deaths, rows.created_at),
        *(rows.request_id, rows.traceparent, rows.project, kind.limit_s.label("limit_s")),
    )
    queued = wanted.where(rows.status == "queued", kind.lanes[lane]).order_by(*kind.order)
    return queued.limit(most).with_for_update(skip_locked=True)


def _over(kind: Work, row: Row[Any]) -> Ending | None:
    """How a piece ends that is not begun any more."""
    if row.cancel is not None:
        return Ending("cancelled")
    if row.deaths < _DEATHS:
        return None
    detail = f"{row.deaths} workers died while they had the {kind.noun}: their log says why."
    return Ending("failed", "crashed", detail)


def _begin(session: Session, kind: Work, work_ids: Sequence[str], worker: str) -> None:
    rows = kind.rows
    now = literal(datetime.now(UTC), rows.started_at.type)
    session.execute(
        update(rows)
        .where(rows.id.in_(work_ids))
        .values(
            status="running",
            attempt=rows.attempt + 1,
            taken_by=worker,
            started_at=func.coalesce(rows.started_at, now),
        )
        .execution_options(synchronize_session=False)
    )
    kind.tell(session, work_ids, "running")


def take_again(database: Database, kind: Work, taken: Taken) -> Taken | None:
    """Begin one more attempt at a piece whose process died; None where it is someone else's, or was
    asked to stop and ends here.
    """
    with database.writing() as session:
        cancel = session.execute(
            update(kind.rows)
            .where(holds(kind.rows, taken))
            .values(attempt=taken.attempt + 1)
            .returning(kind.rows.cancel)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if cancel is None:
            return None
        kind.tell(session, [taken.work_id], "running")
    if cancel[0] is not None:
        kind.end(database, taken.work_id, Ending("cancelled"))
        return None
    return replace(taken, attempt=taken.attempt + 1)


def hand_back(database: Database, kind: Work, taken: Sequence[Taken]) -> int:
    """Put these back in line, as far as they are not someone else's by now: their attempts end
    without an answer; how many.

    Nothing is counted: an attempt that was given up can write nothing while the piece waits, and
    the next one has another number.
    """
    if not taken:
        return 0
    mine = or_(*(holds(kind.rows, piece) for piece in taken))
    with database.writing() as session:
        return _put_back(session, kind, mine, deaths=0)


def take_over(database: Database, kind: Work, living: Collection[str]) -> int:
    """Put back in line what those had who do not live any more; how many."""
    rows = kind.rows
    orphaned = or_(rows.taken_by.is_(None), rows.taken_by.not_in(living))
    with database.reading() as session:
        if not session.scalar(select(exists().where(rows.status == "running", orphaned))):
            return 0
    with database.writing() as session:
        return _put_back(session, kind, and_(rows.status == "running", orphaned), deaths=1)


def taken_by(database: Database, kind: Work, worker: str) -> list[Taken]:
    """What a worker has, as the database knows it."""
    rows = kind.rows
    mine = select(rows.id, rows.attempt).where(rows.status == "running", rows.taken_by == worker)
    with database.reading() as session:
        return [Taken(*row) for row in session.execute(mine)]


def _put_back(session: Session, kind: Work, which: ColumnElement[bool], deaths: int) -> int:
    rows = kind.rows
    ids = list(
        session.scalars(
            update(rows)
            .where(which)
            .values(status="queued", taken_by=None, deaths=rows.deaths + deaths)
            .returning(rows.id)
            .execution_options(synchronize_session=False)
        )
    )
    if ids:
        kind.tell(session, ids, "queued")
    return len(ids)
