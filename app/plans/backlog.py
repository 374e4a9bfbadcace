"""Plans as work that workers do."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.plans import durable, jobs, service, stored
from app.plans.durable import Ending, RunLimits, Waiting, Work
from app.plans.schemas import UNENDED
from app.plans.stored import Answer
from app.plans.tables import PlanRow
from app.telemetry.origin import Origin


def run_limits(database: Database, plan_id: str) -> RunLimits | None:
    """What a worker needs to know of an unended plan; None where there is nothing to do any
    more.
    """
    with database.reading() as session:
        row = session.execute(
            select(
                *(stored.ANSWER, PlanRow.attempt, PlanRow.webhook_waiting, PlanRow.created_at),
                *(PlanRow.request_id, PlanRow.traceparent),
            ).where(PlanRow.id == plan_id, PlanRow.status.in_(UNENDED))
        ).one_or_none()
    if row is None:
        return None
    kept, attempts, waits, accepted_at, *origin = row
    limit_s = Answer.read(kept).time_limit_s
    return RunLimits(plan_id, limit_s, attempts, bool(waits), accepted_at, Origin(*origin))


def hand_back(database: Database, plan_ids: Iterable[str]) -> None:
    """Put running plans back in line: their attempts end without an answer."""

    def tell(session: Session, row: PlanRow) -> None:
        service.tell(session, row.number, "queued")

    durable.hand_back(database, PlanRow, plan_ids, tell)


def unended(database: Database, older_than_s: float, after: str = "") -> Sequence[Waiting]:
    """Plans that have not ended and were accepted so long ago, by id from the first after one."""
    lost = durable.lost(PlanRow, older_than_s, after)
    wanted = select(PlanRow.id, PlanRow.users, PlanRow.priority).where(lost)
    with database.reading() as session:
        return [
            Waiting(*row)
            for row in session.execute(wanted.order_by(PlanRow.id).limit(durable.PAGE))
        ]


def _end(database: Database, plan_id: str, ending: Ending) -> bool:
    if ending.status == "failed":
        return jobs.end(database, plan_id, service.failed(ending.reason, ending.detail))
    return jobs.end(database, plan_id, jobs.stopped(ending.status))


PLANS = Work(
    noun="plan",
    rows=PlanRow,
    lanes=("quick", "plan"),
    run=jobs.run,
    limits=run_limits,
    end=_end,
    hand_back=hand_back,
    unended=unended,
)
