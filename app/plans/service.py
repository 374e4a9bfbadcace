"""Plans as functions: order, solve and store, find again, forget."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from app import instants, news
from app.arrow import pa
from app.db import Database, table_of
from app.errors import PlanInUse, PlanNotEnded, PlanNotFound
from app.plans import heads, names, stored, successions
from app.plans.family import Outcome, Prepared
from app.plans.heads import Head, NewPlan, Plan
from app.plans.orders import Key, Lineage, Order, new_plan
from app.plans.schemas import ENDED, REVOKED, UNENDED, PlanStatus
from app.plans.stored import Answer
from app.plans.tables import PlanEventRow, PlanRow
from app.telemetry import measures, traces
from app.telemetry.measures import Solve
from app.written import Written
from solvers.outcome import RefutedAnswer
from solvers.progress import Cancelled, Progress, Step

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 2
_EVENTS = table_of(PlanEventRow)
_NEW_EVENT = insert(_EVENTS)
_PROGRESS = (
    select(_EVENTS.c.progress)
    .where(_EVENTS.c.plan_number == bindparam("number"), ~_EVENTS.c.progress.is_(None))
    .order_by(_EVENTS.c.id.desc())
    .limit(1)
)


def carry_out(
    database: Database, order: Order, progress: Progress, key: Key | None = None
) -> dict[str, Any]:
    """Solve what is ordered and store the plan; the answer is what `GET` will say.

    Raises Cancelled where `progress` is stopped, IntegrityError where the key is taken, and
    PlanNotCurrent where the plan that it replaces is not the current one: nothing is stored then.
    No transaction is open while the solver works: what it needs was read before, and revisions
    never change.
    """
    plan = new_plan(order, key)
    plan.started_at = datetime.now(UTC)
    outcome = attempted(plan.id, order.prepared, progress)
    plan.status, plan.finished_at = outcome.status, datetime.now(UTC)
    stored.say(plan, outcome, changed_by(order.lineage, outcome))
    listed = stored.Listed.of(outcome)
    foreseen = successions.foresee(database, plan.name, plan.kind, outcome)

    def store(session: Session) -> None:
        names.hold_for(session, order.replaces, plan.name)
        stored.keep(session, plan, order.bulk, listed.byte)
        stored.keep_users(session, plan.number, listed)
        tell(session, plan.number, outcome.status)
        if foreseen is not None:
            successions.succeed(session, plan, foreseen)
        if plan.webhook_waiting:
            news.tell(session, "webhook")

    if listed.packed is None and order.bulk is None:
        database.write_together(store)
    else:  # nobody waits for what takes a while to be written
        with database.writing() as session:
            store(session)
    answer = stored.answer_of(plan)
    if outcome.result is None and outcome.infeasible is None:
        return _document(plan, answer, None, no_progress(plan.status))
    return _document(plan, answer, listed.few)


def accepted(plan: NewPlan) -> dict[str, Any]:
    """The answer that a plan is in line."""
    return _document(plan, stored.answer_of(plan), None, no_progress(plan.status))


def attempted(plan_id: str, prepared: Prepared, progress: Progress) -> Outcome:
    """What the solver says; its own faults are an outcome too, their evidence is in the log.

    Raises Cancelled.
    """
    name = f"solve {prepared.kind}"
    with traces.span(name, users=prepared.users), traces.stages() as stages:
        followed = progress if stages is None else progress.part(amend=stages.hear)
        outcome = _attempted(plan_id, prepared, followed)
    measures.solved(Solve(prepared.kind, outcome.status, outcome.solve_s, outcome.gap))
    return outcome


def _attempted(plan_id: str, prepared: Prepared, progress: Progress) -> Outcome:
    try:
        return prepared.solve(progress)
    except Cancelled:
        raise
    except RefutedAnswer:
        log.exception("plan %s: the check refuted the solver", plan_id)
        detail = (
            "The independent check contradicts the solver, so there is no plan. The log has the"
            " evidence."
        )
        return failed("refuted", detail)
    except Exception:
        log.exception("plan %s failed", plan_id)
        return failed(
            "internal",
            "The service failed while solving. The log has the cause, under the plan's id.",
        )


def tell(session: Session, plan_number: int, status: PlanStatus, step: Step | None = None) -> None:
    """Tell a step of a plan to whoever follows it."""
    told = (
        None
        if step is None
        else {
            "fraction": step.fraction,
            "stage": step.stage,
            "objective": _finite(step.objective),
            "bound": _finite(step.bound),
            "gap": _finite(step.gap),
        }
    )
    _tell(session, plan_number, status, told)


def tell_ended(session: Session, statuses: Mapping[int, PlanStatus]) -> None:
    """Tell the ends of plans, by their numbers, to whoever follows them."""
    now = datetime.now(UTC)
    told = [
        {"plan_number": number, "created_at": now, "status": status, "progress": None}
        for number, status in statuses.items()
    ]
    session.connection().execute(_NEW_EVENT, told)


def tell_revoked(session: Session, plan_number: int) -> None:
    """Tell that a plan is no longer trusted to whoever follows it."""
    _tell(session, plan_number, REVOKED)


def _tell(
    session: Session, plan_number: int, status: str, progress: dict[str, Any] | None = None
) -> None:
    event = {"plan_number": plan_number, "created_at": datetime.now(UTC), "status": status}
    session.connection().execute(_NEW_EVENT, event | {"progress": progress})


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def failed(reason: str, detail: str) -> Outcome:
    """The outcome of a plan that failed through no fault of the request."""
    failure = {"reason": reason, "detail": detail}
    return Outcome(
        status="failed", result=None, infeasible=None, users=[], solve_s=0.0, failure=failure
    )


def changed_by(lineage: Lineage | None, outcome: Outcome) -> dict[str, Any] | None:
    """What distinguishes an ended plan from the one it was made from; None where it is nobody's."""
    return None if lineage is None else lineage.changes | {"switched": lineage.switched(outcome)}


def get(session: Session, plan_id: str) -> dict[str, Any]:
    """A plan as it was answered, with its users where they are few. Raises PlanNotFound."""
    row, answer = told(session, plan_id)
    if not answer.is_told:
        return _document(row, answer, None, progress(session, row))
    return _document(row, answer, stored.few_users(session, row, answer))


def find(session: Session, plan_id: str) -> PlanRow:
    """A plan as it is stored. Raises PlanNotFound."""
    row = session.scalars(select(PlanRow).where(PlanRow.id == plan_id)).one_or_none()
    if row is None:
        raise _nothing(plan_id)
    return row


def head(session: Session, plan_id: str) -> Head:
    """A plan without its request and its answer. Raises PlanNotFound."""
    row = heads.by_id(session, plan_id)
    if row is None:
        raise _nothing(plan_id)
    return row


def told(session: Session, plan_id: str) -> tuple[Head, Answer]:
    """A plan with its answer, without its request. Raises PlanNotFound."""
    found = stored.told(session, plan_id)
    if found is None:
        raise _nothing(plan_id)
    return found


def _nothing(plan_id: str) -> PlanNotFound:
    return PlanNotFound(f"There is no plan {plan_id!r}.", plan_id)


def ended(session: Session, plan_id: str) -> PlanRow:
    """A plan of which there is something to say. Raises PlanNotFound, PlanNotEnded."""
    row = find(session, plan_id)
    require_ended(plan_id, row.status)
    return row


def require_ended(plan_id: str, status: str) -> None:
    """Refuse a plan of which there is nothing to say yet. Raises PlanNotEnded."""
    if status not in ENDED:
        detail = f"The plan {plan_id!r} is {status}: it says nothing of its users yet."
        raise PlanNotEnded(detail, retry_after_s=_LOOK_AGAIN_S)


def list_plans(
    session: Session,
    status: str | None,
    kind: str | None,
    name: str | None,
    before: int | None,
    limit: int,
) -> list[Head]:
    """Plans of that status, kind and name, newest first, from the first before a number."""
    return heads.newest_first(session, limit, before, status=status, kind=kind, name=name)


def list_users(session: Session, plan_id: str, start: int, limit: int) -> list[dict[str, Any]]:
    """Users of a plan's result (or of its reasons) from a position on.

    Raises PlanNotFound, PlanNotEnded.
    """
    row = head(session, plan_id)
    require_ended(plan_id, row.status)
    return stored.users_of(session, row, start, limit)


def get_user(session: Session, row: Head, user_id: str) -> dict[str, Any]:
    """What a plan says of one user. Raises PlanUserNotFound, PlanNotEnded."""
    require_ended(row.id, row.status)
    return stored.user_of(session, row, user_id)


def forget(session: Session, plan_id: str) -> None:
    """Delete an ended plan and its users; where it is the current one of its name, the one before
    becomes that again.

    Raises PlanNotFound, PlanNotEnded, PlanInUse.
    """
    names.hold(session, [session.scalar(select(PlanRow.name).where(PlanRow.id == plan_id))])
    # Held: of two who delete it at once one finds it gone.
    row = session.scalars(
        select(PlanRow).where(PlanRow.id == plan_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise _nothing(plan_id)
    if row.status not in ENDED:
        raise PlanNotEnded(f"The plan {plan_id!r} is {row.status}.")
    child = select(PlanRow.id).where(PlanRow.parent == plan_id, PlanRow.status.in_(UNENDED))
    if (user := session.scalars(child.limit(1)).one_or_none()) is not None:
        raise PlanInUse(f"The plan {user!r} is made from the plan {plan_id!r} and has not ended.")
    successions.give_up(session, row)
    stored.forget_users(session, [row.number])
    session.delete(row)


def user_tables(session: Session, plan_id: str) -> Iterator[pa.Table]:
    """What a plan says of all its users, as tables of one schema.

    Raises PlanNotFound, PlanNotEnded.
    """
    row = head(session, plan_id)
    require_ended(plan_id, row.status)
    return stored.user_tables(session, row)


def heading(session: Session, row: PlanRow) -> dict[str, Any]:
    """A plan as JSON without its users: what events and webhooks carry."""
    return _heading(session, row, stored.answer_of(row))


def read_heading(session: Session, plan_id: str) -> dict[str, Any]:
    """The same of a plan that is not read yet. Raises PlanNotFound."""
    return _heading(session, *told(session, plan_id))


def _heading(session: Session, row: Plan, answer: Answer) -> dict[str, Any]:
    return _document(row, answer, None, progress(session, row) if row.status != "solved" else None)


def progress(session: Session, row: Plan) -> dict[str, Any]:
    """How far a plan has come."""
    session.flush()
    found = session.connection().execute(_PROGRESS, {"number": row.number}).scalar()
    return found or no_progress(row.status)


def no_progress(status: str) -> dict[str, Any]:
    """How far a plan has come of which nothing is known but its status."""
    return {"fraction": 0.0, "stage": status, "objective": None, "bound": None, "gap": None}


def _document(
    row: Plan,
    answer: Answer,
    users: list[dict[str, Any]] | Written | None,
    progress: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The contract's plan; `users` None: they have an address of their own."""
    notice = stored.notice_of(row)
    part = {"users": users} if users is not None else {"users_url": f"/v1/plans/{row.id}/users"}
    document: dict[str, Any] = {
        "object": "plan",
        "id": row.id,
        "kind": row.kind,
        "status": row.status,
        "name": row.name,
        "users_count": row.users,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "supersedes": row.supersedes,
        **({} if row.parent is None else {"parent": row.parent, "changed": answer.changed}),
        "request_hash": row.request_hash,
        "options": answer.options,
        "result": answer.result and answer.result | part,
    }
    if progress is not None:
        document["progress"] = progress
    if row.revoked is not None:
        document["revoked"] = instants.in_text(row.revoked, "at")
    if answer.failure is not None:
        document["failure"] = answer.failure
    if notice is not None:
        document["webhook"] = asdict(notice) | {"url": notice.origin}
    if answer.infeasible is not None:
        document["infeasible"] = part | answer.infeasible
    if answer.warnings:
        document["warnings"] = answer.warnings
    return document | {"provenance": answer.provenance}
