"""A block of points, from accepted to ended, whoever is killed on it; see `app.plans.durable`.

Who changes both a block and its experiment holds the block first.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from sqlalchemy import ColumnElement, Float, cast, func, literal, null, select, true, update
from sqlalchemy.orm import Session

from app import about
from app.db import Database
from app.errors import ExperimentNotFound
from app.experiments import table
from app.experiments.accepting import grid_of
from app.experiments.grid import Grid
from app.experiments.preparing import Preparing
from app.experiments.tables import ExperimentBlockRow, ExperimentRow
from app.plans import durable
from app.plans.durable import Ending, Taken, Teller, Work
from app.plans.families import FAMILIES
from app.plans.family import Outline, Survey
from app.plans.jobs import insisting
from app.plans.pins import Pins
from app.plans.progress import ProgressWriter, Report, Superseded
from app.plans.schemas import UNENDED
from app.plans.surveys import OneByOne, of_any
from app.telemetry import traces
from solvers.progress import Cancelled, Step, Stop

log = logging.getLogger(__name__)

_STAGE = "points"


@dataclass(frozen=True, slots=True)
class Claim:
    """A block that was taken, and what is to be planned."""

    taken: Taken
    experiment_id: str
    experiment: int
    kind: str
    revisions: Pins
    grid: Grid
    first: int
    points: int

    def holds(self) -> ColumnElement[bool]:
        """Whether the right to end it stands, as a condition on the block's row."""
        return durable.holds(ExperimentBlockRow, self.taken)


@dataclass(frozen=True, slots=True)
class Planned:
    """What came of a block."""

    outlines: dict[int, Outline]
    cancelled: bool


def claim(database: Database, taken: Taken) -> Claim | None:
    """A block that was taken; None where it is someone else's by now."""
    block, row = ExperimentBlockRow, ExperimentRow
    wanted = select(block.first, block.points, row).join(row, row.number == block.experiment_number)
    with database.reading() as session:
        found = session.execute(wanted.where(durable.holds(block, taken))).one_or_none()
        if found is None:
            return None
        first, points, of = found
        whole = of.id, of.number, of.kind, Pins.of(of.revisions), grid_of(of)
    return Claim(taken, *whole, first, points)


def run(database: Database, taken: Sequence[Taken], teller: Teller) -> None:
    """Plan blocks and end them, whatever happens; what someone else has is left alone.

    Raises a database's error only after it was away for minutes: the blocks are then still there
    for another attempt.
    """
    failed = partial(log.exception, "experiment block %s failed")
    durable.one_by_one("experiment", _work_off, failed, database, taken, teller)


def _work_off(database: Database, piece: Taken) -> None:
    mine = insisting(lambda: claim(database, piece))
    if mine is None:
        return
    about.current().experiment_id = mine.experiment_id
    try:
        with ProgressWriter(f"experiment block {piece.work_id}", _report(database, mine)) as writer:
            found = _planned(database, mine, writer)
    except Superseded:
        return
    insisting(lambda: finish(database, mine, found))


def _planned(database: Database, mine: Claim, writer: ProgressWriter) -> Planned:
    """The outlines of a block, as far as they are wanted. Raises Superseded."""
    family = FAMILIES[mine.kind]
    survey: Survey = OneByOne(of_any) if family.survey is None else family.survey()
    preparing = Preparing(database, family, mine.revisions)
    bodies = [mine.grid.body(mine.first + n) for n in range(mine.points)]
    outlines: dict[int, Outline] = {}
    # How far a point has come is nobody's news: how many there are is.
    within = writer.progress.part(amend=lambda _: Step(stage=_STAGE, fraction=0.0))
    try:
        with traces.span("experiment block", points=mine.points):
            for n, outline in survey.outlines(bodies, preparing, within):
                outlines[mine.first + n] = outline
                writer.progress.tick(len(outlines) / mine.points)
    except Superseded:
        raise
    except Cancelled:
        return Planned({}, cancelled=True)
    return Planned(outlines, cancelled=len(outlines) < mine.points)


def finish(database: Database, mine: Claim, found: Planned) -> bool:
    """End a block; False (and nothing changes) where the claim does not hold any more."""
    values: dict[str, Any] = {
        "status": "cancelled" if found.cancelled else "finished",
        "finished_at": datetime.now(UTC),
        "done": len(found.outlines),
        "data": table.packed(found.outlines) if found.outlines else None,
    }
    with database.writing() as session:
        ended = update(ExperimentBlockRow).where(mine.holds()).values(**values)
        ended = ended.returning(ExperimentBlockRow.block)
        if session.scalar(ended.execution_options(synchronize_session=False)) is None:
            return False
        _told(session, mine.experiment)
    return True


def cancel(session: Session, experiment_id: str, stop: Stop) -> None:
    """Ask for an experiment to be stopped: blocks that nobody works on end at once. An ended one
    stays.

    Raises ExperimentNotFound.
    """
    block = ExperimentBlockRow
    number = session.scalar(select(ExperimentRow.number).where(ExperimentRow.id == experiment_id))
    if number is None:
        raise ExperimentNotFound(experiment_id)
    mine = select(block).where(block.experiment_number == number, block.status.in_(UNENDED))
    held = session.scalars(mine.order_by(block.block).with_for_update()).all()
    for row in held:
        if durable.ask_to_stop(row, stop):
            row.status, row.finished_at = "cancelled", datetime.now(UTC)
    session.flush()
    if held:
        _told(session, number)


def _told(session: Session, number: int) -> None:
    """Count what happened to an experiment, and end it where nothing of it is left to do."""
    row, block = ExperimentRow, ExperimentBlockRow
    _counted(session, number)
    # Held from here on: of two who end its last blocks at once the second one sees it.
    statuses = set(
        session.scalars(select(block.status).where(block.experiment_number == number).distinct())
    )
    if statuses & set(UNENDED):
        return
    ended = next(each for each in ("failed", "cancelled", "finished") if each in statuses)
    session.execute(
        update(row)
        .where(row.number == number, row.status.in_(UNENDED))
        .values(status=ended, finished_at=datetime.now(UTC))
        .execution_options(synchronize_session=False)
    )


def _counted(session: Session, number: int) -> None:
    """Count what happened to an experiment."""
    row = ExperimentRow
    session.execute(
        update(row)
        .where(row.number == number)
        .values(event=row.event + 1)
        .execution_options(synchronize_session=False)
    )


def _report(database: Database, mine: Claim) -> Report:
    def tell(session: Session, news: Step) -> None:
        told = update(ExperimentBlockRow).where(mine.holds())
        told = told.values(done=round(news.fraction * mine.points))
        session.execute(told.execution_options(synchronize_session=False))
        _counted(session, mine.experiment)  # it goes on: this block of it does

    return durable.reporting(database, ExperimentBlockRow, mine.taken, tell)


def _end_from_outside(database: Database, block_id: str, ending: Ending) -> None:
    with database.writing() as session:
        row = durable.unended(session, ExperimentBlockRow, block_id)
        if row is None:
            return
        # Nobody's time is limited but that of each point, which its solver minds.
        status = "failed" if ending.status == "failed" else "cancelled"
        row.status, row.finished_at = status, datetime.now(UTC)
        if status == "failed":
            row.failure = {"reason": ending.reason, "detail": ending.detail}
        session.flush()
        _told(session, row.experiment_number)


def _tell_all(
    session: Session, block_ids: Sequence[str], status: Literal["queued", "running"]
) -> None:
    """Tell those who follow experiments that blocks of theirs run, or are in line again."""
    row, block = ExperimentRow, ExperimentBlockRow
    of = select(block.experiment_number).where(block.id.in_(block_ids))
    numbers = sorted(set(session.scalars(of)))
    values: dict[str, Any] = {"event": row.event + 1}
    if status == "running":
        now = literal(datetime.now(UTC), row.started_at.type)
        values |= {"status": "running", "started_at": func.coalesce(row.started_at, now)}
    session.execute(
        update(row)
        .where(row.number.in_(numbers), row.status.in_(UNENDED))
        .values(**values)
        .execution_options(synchronize_session=False)
    )


EXPERIMENTS = Work(
    noun="experiment",
    rows=ExperimentBlockRow,
    lanes={"experiment": true()},
    order=(ExperimentBlockRow.experiment_number, ExperimentBlockRow.block),
    limit_s=cast(null(), Float),  # each point has its own
    run=run,
    end=_end_from_outside,
    tell=_tell_all,
)
