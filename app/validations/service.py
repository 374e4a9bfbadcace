"""Validations as functions: kept, found again."""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from app import news
from app.db import Database
from app.errors import PlanNotFound, ValidationNotFound
from app.plans import durable
from app.plans import service as plans
from app.plans.durable import Room
from app.plans.orders import Key
from app.plans.tables import PlanRow
from app.telemetry.origin import Origin
from app.validations.schemas import REPLAYED, UNBEGUN, question
from app.validations.tables import ValidationRow

if TYPE_CHECKING:
    from app.validations.replaying import Findings, Replayable


def keep(
    database: Database, ready: "Replayable", findings: "Findings", key: Key | None
) -> ValidationRow:
    """Store what a replay found.

    Raises PlanNotFound, IntegrityError where the key is taken.
    """
    row = _new(ready, key)
    row.status, row.finished_at = REPLAYED, row.created_at
    row.verdict, row.evidence = findings.verdict, findings.evidence
    with database.writing() as session:
        _number(session, row, ready.plan_id)
    return row


def accept(database: Database, ready: "Replayable", key: Key | None, room: Room) -> ValidationRow:
    """Store a replay that is still to be made.

    Raises PlanNotFound, QueueFull, TooManyAtOnce, IntegrityError where the key is taken.
    """
    row = _new(ready, key)
    with database.writing() as session:
        durable.require_room(session, ValidationRow, room)
        _number(session, row, ready.plan_id)
        news.tell(session, "validation")
        durable.require_still_room(session, ValidationRow, room)
    return row


def _new(ready: "Replayable", key: Key | None) -> ValidationRow:
    origin = Origin.at_hand()
    return ValidationRow(
        id=uuid.uuid4().hex,
        status="queued",
        created_at=datetime.now(UTC),
        attempt=0,
        idempotency=key and key.scope,
        idempotency_body=key and key.body,
        request_id=origin.request_id,
        traceparent=origin.traceparent,
        verdict=question(ready.asked),
        evidence={},
    )


def _number(session: Session, row: ValidationRow, plan_id: str) -> None:
    """Make a validation the plan's next. Raises PlanNotFound."""
    # Whoever validates or deletes the same plan at the same time waits for this row.
    plan = session.scalar(select(PlanRow.number).where(PlanRow.id == plan_id).with_for_update())
    if plan is None:
        raise PlanNotFound(f"The plan {plan_id!r} was deleted while it was replayed.")
    last = session.scalar(
        select(func.max(ValidationRow.number)).where(ValidationRow.plan_number == plan)
    )
    row.plan_number, row.number = plan, (last or 0) + 1
    session.add(row)


def get(session: Session, plan_id: str, number: int) -> dict[str, Any]:
    """A validation: as it was answered, or how far it has come.

    Raises PlanNotFound, ValidationNotFound.
    """
    return document(plan_id, find(session, plan_id, number))


def find(session: Session, plan_id: str, number: int) -> ValidationRow:
    """A validation as it is stored. Raises PlanNotFound, ValidationNotFound."""
    row = session.get(ValidationRow, (plans.head(session, plan_id).number, number))
    if row is None:
        raise ValidationNotFound(plan_id, number)
    return row


def list_validations(
    session: Session, plan_id: str, after: int, limit: int
) -> list[dict[str, Any]]:
    """The validations of a plan without their users, oldest first, from the first after a number.

    Raises PlanNotFound.
    """
    wanted = select(ValidationRow).options(defer(ValidationRow.evidence, raiseload=True))
    wanted = wanted.where(
        ValidationRow.plan_number == plans.head(session, plan_id).number,
        ValidationRow.number > after,
    )
    found = session.scalars(wanted.order_by(ValidationRow.number).limit(limit))
    return [summary(plan_id, row) for row in found]


def summary(plan_id: str, row: ValidationRow) -> dict[str, Any]:
    """A validation without its users; one without a verdict says how far it has come."""
    heading = {
        "object": "validation" if row.status == REPLAYED else "validation_job",
        "number": row.number,
        "plan_id": plan_id,
        "status": row.status,
        "created_at": row.created_at,
    }
    if row.status == REPLAYED:
        return heading | row.verdict
    progress = {"progress": row.progress or UNBEGUN}
    failure = {} if row.failure is None else {"failure": row.failure}
    times = {"started_at": row.started_at, "finished_at": row.finished_at}
    return heading | times | row.verdict | progress | failure


def document(plan_id: str, row: ValidationRow) -> dict[str, Any]:
    """A validation as JSON."""
    told = summary(plan_id, row)
    if row.status == REPLAYED:
        told["laws"] = {law: found | row.evidence[law] for law, found in told["laws"].items()}
    return told
