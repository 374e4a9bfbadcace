"""Plans as work that workers do."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import insert, literal, select
from sqlalchemy.orm import Session

from app.db import Database, UtcDateTime, table_of
from app.plans import jobs, service, stored
from app.plans.durable import Ending, Work
from app.plans.tables import PlanEventRow, PlanRow


def _end(database: Database, plan_id: str, ending: Ending) -> bool:
    if ending.status == "failed":
        return jobs.end(database, plan_id, service.failed(ending.reason, ending.detail))
    return jobs.end(database, plan_id, jobs.stopped(ending.status))


def _tell(session: Session, plan_ids: Sequence[str], status: Literal["queued", "running"]) -> None:
    """Tell those who follow plans, all in one statement."""
    told = select(PlanRow.number, literal(datetime.now(UTC), UtcDateTime()), literal(status)).where(
        PlanRow.id.in_(plan_ids)
    )
    session.execute(
        insert(table_of(PlanEventRow)).from_select(["plan_number", "created_at", "status"], told)
    )


PLANS = Work(
    noun="plan",
    rows=PlanRow,
    lanes={"quick": PlanRow.quick.is_(True), "plan": PlanRow.quick.is_(False)},
    order=(PlanRow.rank, PlanRow.number),
    limit_s=stored.TIME_LIMIT_S,
    run=jobs.run,
    end=_end,
    tell=_tell,
)
