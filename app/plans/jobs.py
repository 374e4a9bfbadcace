"""A plan's way from accepted to ended, whoever is killed on it.

Every step is one transaction. Whoever starts to solve a plan counts up its `attempt`, and only the
latest attempt may write: a worker that was taken for dead and comes back finds that its answer is
not wanted any more. Small plans are taken, and their answers stored, several in one transaction;
each stands or falls by its own attempt.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from app import news, projects
from app.db import Database, table_of
from app.drivers import AWAY
from app.errors import PlanNotFound, in_one_line
from app.news import Lane
from app.plans import durable, names, orders, service, stored, successions, wanted
from app.plans.durable import Room, Taken, Teller
from app.plans.families import FAMILIES
from app.plans.family import Outcome, Prepared
from app.plans.heads import NewPlan
from app.plans.library import StoredLibrary
from app.plans.orders import Key, Lineage, Order
from app.plans.pins import Pins
from app.plans.progress import ProgressWriter, Report, Superseded
from app.plans.replan import inherited
from app.plans.resolve import Resolver
from app.plans.schemas import ENDED, UNENDED, PlanStatus
from app.plans.stored import Answer, Listed
from app.plans.tables import PlanNameRow, PlanRow
from app.written import json_byte
from solvers.progress import Cancelled, Step, Stop

log = logging.getLogger(__name__)

T = TypeVar("T")

_END = (
    update(table_of(PlanRow))
    .where(PlanRow.number == bindparam("its"))
    .values({name: bindparam(name) for name in ("status", "finished_at", "answer", "has_result")})
    .values(stored_byte=PlanRow.stored_byte + bindparam("more_byte"))
)

# A database that is away for longer than this has lost its attempt, not its plan: another attempt
# will be made.
_PATIENCE_S = 300.0
# Answers of small plans wait for one another at most about so long before they are stored.
_TOGETHER_S = 0.1


@dataclass(frozen=True, slots=True)
class Claim:
    """A plan that was taken, and what is needed to end it."""

    taken: Taken
    number: int
    so_far: Answer
    name: str | None
    kind: str
    has_webhook: bool

    def holds(self) -> ColumnElement[bool]:
        """Whether the right to end it stands, as a condition on the plan's row."""
        return durable.holds(PlanRow, self.taken)


@dataclass(frozen=True, slots=True)
class Solved:
    """What came of a plan, not stored yet."""

    mine: Claim
    outcome: Outcome
    lineage: Lineage | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What changes in the plan's row."""
        changed = service.changed_by(self.lineage, self.outcome)
        return {
            "status": self.outcome.status,
            "finished_at": datetime.now(UTC),
            "answer": self.mine.so_far.ended(self.outcome, changed).kept,
            "has_result": self.outcome.result is not None,
        }

    def more_byte(self, listed: Listed) -> int:
        """What its row and users take beyond what they did [byte]."""
        before, after = self.mine.so_far.kept, self.values["answer"]
        return listed.byte + json_byte(after) - json_byte(before)

    @property
    def stored_together(self) -> bool:
        """Whether it is small, and changes nothing but its own rows."""
        return self.mine.name is None and self.outcome.table is None


def accept(
    database: Database, order: Order, key: Key | None, room: Room, lane: Lane = "plan"
) -> NewPlan:
    """Store a queued plan.

    Raises QueueFull, TooManyAtOnce, IntegrityError where the key is taken, and PlanNotCurrent where
    the plan that it replaces is not the current one.
    """
    plan = orders.new_plan(order, key)
    plan.quick = lane == "quick"

    def store(session: Session) -> None:
        durable.require_room(session, PlanRow, room)
        names.hold_for(session, order.replaces, plan.name)
        stored.keep(session, plan, order.bulk)
        service.tell(session, plan.number, "queued")
        news.tell(session, lane)
        durable.require_still_room(session, PlanRow, room)

    if order.bulk is None:
        database.write_together(store)
    else:
        with database.writing() as session:
            store(session)
    return plan


def claim(session: Session, taken: Taken) -> tuple[Claim, PlanRow] | None:
    """A plan that was taken, and its row; None where it is someone else's by now."""
    row = session.scalars(select(PlanRow).where(durable.holds(PlanRow, taken))).one_or_none()
    if row is None:
        return None
    waits = bool(row.webhook_waiting)
    return Claim(taken, row.number, stored.answer_of(row), row.name, row.kind, waits), row


def run(database: Database, taken: Sequence[Taken], teller: Teller) -> None:
    """Solve plans that were taken, one after the other, and end them, whatever happens; what
    someone else has by now is left alone.

    Raises a database's error only after it was away for minutes: the plans are then still there
    for another attempt.
    """
    waiting: list[Solved] = []
    since = math.inf
    for piece in taken:
        if teller.enough():
            break
        teller.at(piece.work_id)
        try:
            with durable.worked_on("plan", piece):
                solved = _attempted(database.of(piece.project), piece)
        except AWAY:
            raise
        except Exception:
            log.exception("plan %s failed outside of its solver", piece.work_id)
            teller.broken(piece.work_id)
            continue
        if solved is None:
            teller.ended([piece.work_id])
            continue
        waiting.append(solved)
        since = min(since, time.monotonic())
        if time.monotonic() - since > _TOGETHER_S or not solved.stored_together:
            _store(database, waiting, teller)
            waiting, since = [], math.inf
    _store(database, waiting, teller)


def _attempted(database: Database, piece: Taken) -> Solved | None:
    """What comes of a plan that was taken; None where it is someone else's."""
    opened = insisting(lambda: _opened(database, piece))
    if opened is None:
        return None
    mine, prepared, lineage = opened
    try:
        with ProgressWriter(f"plan {piece.work_id}", _report(database, mine)) as writer:
            outcome = _outcome(piece.work_id, prepared, writer)
    except Superseded:
        return None
    except Cancelled:
        return Solved(mine, stopped("cancelled"))
    return Solved(mine, outcome, lineage)


def _store(database: Database, solved: Sequence[Solved], teller: Teller) -> None:
    """End plans: what can be in one transaction, the rest, and what that fails of, by itself."""
    together = [each for each in solved if each.stored_together]
    alone = [each for each in solved if not each.stored_together]
    try:
        if together:
            insisting(lambda: finish_together(database, together))
            teller.ended([each.mine.taken.work_id for each in together])
    except AWAY:
        raise
    except Exception:
        log.exception("plans are stored one by one")
        alone = together + alone
    for each in alone:
        work_id = each.mine.taken.work_id
        try:
            own = database.of(each.mine.taken.project)
            insisting(lambda own=own, each=each: finish(own, each.mine, each.outcome, each.lineage))  # type: ignore[misc]
        except AWAY:
            raise
        except Exception:
            log.exception("plan %s failed outside of its solver", work_id)
            teller.broken(work_id)
        else:
            teller.ended([work_id])


def finish_together(database: Database, solved: Sequence[Solved]) -> int:
    """End plans that change nothing but their own rows in one transaction; those whose claim does
    not hold any more are left as they are; how many ended.
    """
    numbers = [each.mine.number for each in solved]
    running = (
        select(PlanRow.number, PlanRow.attempt)
        .where(PlanRow.number.in_(numbers), PlanRow.status == "running")
        .order_by(PlanRow.number)
        .with_for_update()
    )
    values = {each.mine.number: each.values for each in solved}
    listed = {each.mine.number: Listed.of(each.outcome) for each in solved}
    more = {each.mine.number: each.more_byte(listed[each.mine.number]) for each in solved}
    with database.writing() as session:
        held = {tuple(row) for row in session.execute(running)}
        ended = [each for each in solved if (each.mine.number, each.mine.taken.attempt) in held]
        if ended:
            rows = [
                {"its": each.mine.number, "more_byte": more[each.mine.number]}
                | values[each.mine.number]
                for each in ended
            ]
            session.connection().execute(_END, rows)
            stored.keep_few(session, {each.mine.number: listed[each.mine.number] for each in ended})
            service.tell_ended(session, {each.mine.number: each.outcome.status for each in ended})
            if any(each.mine.has_webhook for each in ended):
                news.tell(session, "webhook")
    return len(ended)


def finish(
    database: Database, mine: Claim, outcome: Outcome, lineage: Lineage | None = None
) -> bool:
    """End a plan with what its solver said; False (and nothing changes) where the claim does not
    hold any more.
    """
    solved, listed = Solved(mine, outcome, lineage), Listed.of(outcome)
    values = solved.values | {"stored_byte": PlanRow.stored_byte + solved.more_byte(listed)}
    foreseen = successions.foresee(database, mine.name, mine.kind, outcome)
    with database.writing() as session:
        names.hold(session, [mine.name])
        ended = session.scalar(
            update(PlanRow).where(mine.holds()).values(**values).returning(PlanRow.number)
        )
        if ended is None:
            return False
        stored.keep_users(session, mine.number, listed)
        service.tell(session, mine.number, outcome.status)
        if foreseen is not None:
            successions.succeed(session, service.head(session, mine.taken.work_id), foreseen)
        if mine.has_webhook:
            news.tell(session, "webhook")
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
    parents of unended plans; how many, of every project up to `most`.
    """
    with database.reading() as session:  # of some names all plans are gone
        found = {*projects.those_of(session, PlanRow), *projects.those_of(session, PlanNameRow)}
    return sum(_forget_old(database.of(project), retain_days, most) for project in sorted(found))


def _forget_old(database: Database, retain_days: float, most: int) -> int:
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
        except AWAY as away:
            if time.monotonic() > patience:
                raise
            log.warning("the database is away, trying again: %s", in_one_line(away))
            time.sleep(pause_s)
            pause_s = min(2.0 * pause_s, 5.0)


def _report(database: Database, mine: Claim) -> Report:
    def tell(session: Session, news: Step) -> None:
        service.tell(session, mine.number, "running", news)

    return durable.reporting(database, PlanRow, mine.taken, tell)


def _outcome(plan_id: str, prepared: Prepared, writer: ProgressWriter) -> Outcome:
    """What the solver says. Raises Superseded, Cancelled."""
    outcome = service.attempted(plan_id, prepared, writer.progress)
    if writer.stop is not None and outcome.status == "timed_out":
        outcome = replace(outcome, status="cancelled")
    return outcome


def _opened(database: Database, piece: Taken) -> tuple[Claim, Prepared, Lineage | None] | None:
    """A stored request on the revisions that it was accepted with; None where it is someone
    else's.
    """
    with database.reading() as session:
        found = claim(session, piece)
        if found is None:
            return None
        mine, row = found
        family = FAMILIES[row.kind]
        library, pins = StoredLibrary(session), stored.pins_of(row) or Pins()
        library.expect(wanted.pinned(pins))
        resolver = Resolver(library, pins=pins)
        prepared = stored.request_of(session, row).prepared(family, resolver)
        if row.parent is None:
            return mine, prepared, None
        return mine, *inherited(session, row, prepared)


def stopped(status: Literal["cancelled", "timed_out"]) -> Outcome:
    """The outcome of a plan that was stopped before there was anything to keep."""
    return Outcome(status=status, result=None, infeasible=None, users=[], solve_s=0.0)


def _end(session: Session, row: PlanRow, status: PlanStatus) -> None:
    row.status, row.finished_at = status, datetime.now(UTC)
    service.tell(session, row.number, status)
    if row.webhook_waiting:
        news.tell(session, "webhook")
