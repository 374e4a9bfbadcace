"""A plan's way from accepted to ended, whoever is killed on it.

Every step is one transaction. Whoever starts to solve a plan counts up its `attempt`, and only the
latest attempt may write: a worker that was taken for dead and comes back finds that its answer is
not wanted any more.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import PlanNotFound, in_one_line
from app.plans import durable, names, orders, service, stored, successions, wanted
from app.plans.families import FAMILIES
from app.plans.family import Outcome, Prepared
from app.plans.library import StoredLibrary
from app.plans.orders import Key, Lineage, Order
from app.plans.pins import Pins
from app.plans.progress import ProgressWriter, Report, Standing, Superseded
from app.plans.replan import inherited
from app.plans.resolve import Resolver
from app.plans.schemas import ENDED, UNENDED, PlanStatus
from app.plans.stored import Answer
from app.plans.tables import PlanRow
from solvers.progress import Cancelled, Step, Stop

log = logging.getLogger(__name__)

T = TypeVar("T")

# A database that is away for longer than this has lost its attempt, not its plan: another attempt
# will be made.
_PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to end a plan, until someone else claims it."""

    plan_id: str
    number: int
    attempt: int
    so_far: Answer
    name: str | None
    kind: str

    def holds(self) -> ColumnElement[bool]:
        """Whether the right stands, as a condition on the plan's row."""
        return durable.holds(PlanRow, self.plan_id, self.attempt)


def accept(database: Database, order: Order, key: Key | None, max_queued: int) -> str:
    """Store a queued plan; its id.

    Raises QueueFull, IntegrityError where the key is taken, and PlanNotCurrent where the plan that
    it replaces is not the current one.
    """
    row = orders.new_row(order, key)
    with database.writing() as session:
        durable.require_room(session, PlanRow, max_queued)
        names.hold_for(session, order.replaces, row.name)
        stored.keep(session, row)
        stored.keep_request(session, row, order.bulk)
        service.tell(session, row.number, "queued")
    return row.id


def claim(database: Database, plan_id: str) -> Claim | None:
    """Begin an attempt; None where the plan has ended (or ends here, since someone asked to stop
    it) or is gone.
    """
    with database.writing() as session:
        row = durable.unended(session, PlanRow, plan_id)
        if row is None:
            return None
        if row.cancel is not None:
            _end(session, row, "cancelled")
            return None
        durable.begin(row)
        service.tell(session, row.number, "running")
        return Claim(row.id, row.number, row.attempt, stored.answer_of(row), row.name, row.kind)


def run(database: Database, plan_id: str) -> None:
    """Solve a stored plan and end it, whatever happens; a plan that someone else has is left alone.

    Raises a database's error only after it was away for minutes: the plan is then still there for
    another attempt.
    """
    mine = insisting(lambda: claim(database, plan_id))
    if mine is None:
        return
    try:
        with ProgressWriter(f"plan {plan_id}", _report(database, mine)) as writer:
            outcome, lineage = _solved(database, mine, writer)
    except Superseded:
        return
    insisting(lambda: finish(database, mine, outcome, lineage))


def finish(
    database: Database, mine: Claim, outcome: Outcome, lineage: Lineage | None = None
) -> bool:
    """End a plan with what its solver said; False (and nothing changes) where the claim does not
    hold any more.
    """
    values = {
        "status": outcome.status,
        "finished_at": datetime.now(UTC),
        "answer": mine.so_far.ended(outcome, service.changed_by(lineage, outcome)).kept,
        "has_result": outcome.result is not None,
    }
    packed = stored.packed_users(outcome)
    foreseen = successions.foresee(database, mine.name, mine.kind, outcome)
    with database.writing() as session:
        names.hold(session, [mine.name])
        ended = session.scalar(
            update(PlanRow).where(mine.holds()).values(**values).returning(PlanRow.number)
        )
        if ended is None:
            return False
        stored.keep_users(session, mine.number, outcome, packed)
        service.tell(session, mine.number, outcome.status)
        successions.succeed(session, mine.number, foreseen)
    return True


def cancel(session: Session, plan_id: str, stop: Stop) -> PlanRow:
    """Ask for a plan to be stopped; one that nobody works on ends at once, an ended one stays.

    Raises PlanNotFound.
    """
    row = session.scalars(
        select(PlanRow).where(PlanRow.id == plan_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise PlanNotFound(f"There is no plan {plan_id!r}.", plan_id)
    if durable.ask_to_stop(row, stop):
        _end(session, row, "cancelled")
    return row


def end(database: Database, plan_id: str, outcome: Outcome) -> bool:
    """End a plan whose attempt was stopped from outside; False where it has ended already."""
    with database.writing() as session:
        row = durable.unended(session, PlanRow, plan_id)
        if row is None:
            return False
        stored.end(row, outcome)
        _end(session, row, outcome.status)
        return True


def forget_old(database: Database, retain_days: float, most: int = 100) -> int:
    """Delete plans that ended so long ago, except the newest and the current one of each name and
    parents of unended plans; how many.
    """
    wanted = _forgettable(datetime.now(UTC) - timedelta(days=retain_days))
    with database.writing() as session:
        found = session.execute(wanted.order_by(PlanRow.number).limit(most)).all()
        names.hold(session, [name for _, name in found])
        # What is current may have changed until the names were held.
        numbers = [number for number, _ in found]
        old = session.scalars(wanted.where(PlanRow.number.in_(numbers))).all()
        stored.forget_users(session, old)
        session.execute(delete(PlanRow).where(PlanRow.number.in_(old)))
        names.forget_unused(session, most)
    return len(old)


def _forgettable(before: datetime) -> Select[int, str | None]:
    """Numbers and names of plans that nobody will ask for."""
    newest = select(func.max(PlanRow.number)).where(~PlanRow.name.is_(None)).group_by(PlanRow.name)
    parents = select(PlanRow.parent).where(PlanRow.status.in_(UNENDED), ~PlanRow.parent.is_(None))
    return select(PlanRow.number, PlanRow.name).where(
        PlanRow.status.in_(ENDED),
        PlanRow.finished_at < before,
        PlanRow.number.not_in(newest.where(PlanRow.status.in_(ENDED))),
        PlanRow.number.not_in(newest.where(PlanRow.has_result)),
        PlanRow.id.not_in(parents),
    )


def insisting(step: Callable[[], T]) -> T:
    """Do a step, and again while the database is away."""
    patience, pause_s = time.monotonic() + _PATIENCE_S, 0.1
    while True:
        try:
            return step()
        except (OperationalError, InterfaceError, PoolTimeout) as away:
            if time.monotonic() > patience:
                raise
            log.warning("the database is away, trying again: %s", in_one_line(away))
            time.sleep(pause_s)
            pause_s = min(2.0 * pause_s, 5.0)


def _report(database: Database, mine: Claim) -> Report:
    """How an attempt tells how far it has come, and learns whether it is still wanted."""

    def report(news: Step | None) -> Standing:
        with database.reading() if news is None else database.writing() as session:
            asked = select(PlanRow.cancel).where(mine.holds())
            # Held, so that nobody ends the plan in between: an event after its end would leave its
            # readers waiting.
            found = session.execute(
                asked if news is None else asked.with_for_update()
            ).one_or_none()
            if found is None:
                return Standing(holds=False)
            if news is not None:
                service.tell(session, mine.number, "running", news)
            return Standing(holds=True, stop=Stop(found.cancel) if found.cancel else None)

    return report


def _solved(
    database: Database, mine: Claim, writer: ProgressWriter
) -> tuple[Outcome, Lineage | None]:
    prepared, lineage = insisting(lambda: _restored(database, mine.plan_id))
    try:
        outcome = service.attempted(mine.plan_id, prepared, writer.progress)
    except Superseded:
        raise
    except Cancelled:
        return stopped("cancelled"), None
    if writer.stop is not None and outcome.status == "timed_out":
        outcome = replace(outcome, status="cancelled")
    return outcome, lineage


def _restored(database: Database, plan_id: str) -> tuple[Prepared, Lineage | None]:
    """A stored request on the revisions that it was accepted with."""
    with database.reading() as session:
        row = service.find(session, plan_id)
        family = FAMILIES[row.kind]
        library, pins = StoredLibrary(session), stored.pins_of(row) or Pins()
        library.expect(wanted.pinned(pins))
        resolver = Resolver(library, pins=pins)
        prepared = stored.request_of(session, row).prepared(family, resolver)
        return (prepared, None) if row.parent is None else inherited(session, row, prepared)


def stopped(status: Literal["cancelled", "timed_out"]) -> Outcome:
    """The outcome of a plan that was stopped before there was anything to keep."""
    return Outcome(status=status, result=None, infeasible=None, users=[], solve_s=0.0)


def _end(session: Session, row: PlanRow, status: PlanStatus) -> None:
    row.status, row.finished_at = status, datetime.now(UTC)
    service.tell(session, row.number, status)
