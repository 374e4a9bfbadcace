"""Unended plans: what the queue and its workers need to know of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.db import Database
from app.plans import service, stored
from app.plans.schemas import UNENDED
from app.plans.stored import Answer
from app.plans.tables import PlanRow


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What a worker needs to know of a plan that it is about to have solved."""

    plan_id: str
    time_limit_s: float | None  # None: its family has none
    attempts: int
    has_webhook: bool


def run_limits(database: Database, plan_id: str) -> RunLimits | None:
    """What a worker needs to know of an unended plan; None where there is nothing to do any
    more.
    """
    with database.reading() as session:
        row = session.execute(
            select(stored.ANSWER, PlanRow.attempt, PlanRow.webhook_waiting).where(
                PlanRow.id == plan_id, PlanRow.status.in_(UNENDED)
            )
        ).one_or_none()
    if row is None:
        return None
    kept, attempts, waits = row
    return RunLimits(plan_id, Answer.read(kept).time_limit_s, attempts, bool(waits))


def hand_back(database: Database, plan_ids: Iterable[str]) -> None:
    """Put running plans back in line: their attempts end without an answer."""
    with database.writing() as session:
        rows = session.scalars(
            select(PlanRow)
            .where(PlanRow.id.in_(list(plan_ids)), PlanRow.status == "running")
            .with_for_update()
        )
        for row in rows:
            # Counted up, so that the attempt that is given up can write no more.
            row.status, row.attempt = "queued", row.attempt + 1
            service.tell(session, row.number, "queued")


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unended plan, and what the queue needs to know of it."""

    plan_id: str
    users: int
    priority: str


def unended(
    database: Database, older_than_s: float, after: str = "", most: int = 500
) -> list[Waiting]:
    """Plans that have not ended and were accepted so long ago, by id from the first after one."""
    before = datetime.now(UTC) - timedelta(seconds=older_than_s)
    with database.reading() as session:
        rows = session.execute(
            select(PlanRow.id, PlanRow.users, PlanRow.priority)
            .where(PlanRow.status.in_(UNENDED), PlanRow.created_at <= before, PlanRow.id > after)
            .order_by(PlanRow.id)
            .limit(most)
        )
        return [Waiting(*row) for row in rows]
