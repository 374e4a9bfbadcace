"""Plans as functions: solve and store, find again, forget."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import FieldError, InvalidRequest, PlanNotFound, PlanUserNotFound
from app.plans.family import Outcome, Prepared
from app.plans.resolve import Dossier, used
from app.plans.schemas import INLINE_USERS, Estimate, Request
from app.plans.tables import PlanRow, PlanUsersRow

_BLOCK = 1000
_VERSION = version("splitplan")


R = TypeVar("R", bound=Request)
Prepare = Callable[[R, Dossier], Prepared]


def estimate(database: Database, prepare: Prepare[R], request: R) -> Estimate:
    """Everything short of solving; stores nothing. Raises InvalidRequest."""
    with database.reading() as session:
        return prepared(session, prepare, request).estimate()


@dataclass(frozen=True, slots=True)
class Descent:
    """The plan that a plan was made from, and what changed, told once the outcome is known."""

    parent: str
    changed: Callable[[Outcome], dict[str, Any]]


def plan(database: Database, prepare: Prepare[R], request: R, body: Any) -> dict[str, Any]:
    """Solve a request and store the plan; the answer is what `GET` will say. Raises InvalidRequest."""
    created_at = datetime.now(UTC)
    with database.reading() as session:
        ready = prepared(session, prepare, request)
    return carry_out(database, ready, body, created_at)


def prepared(
    session: Session, prepare: Prepare[R], request: R, pins: Mapping[str, str | None] | None = None
) -> Prepared:
    """A request that passed customs, with the revisions of `pins` where it names the same. Raises InvalidRequest."""
    if request.supersedes is not None and not _stored(session, request.supersedes):
        raise InvalidRequest([FieldError("/supersedes", f"there is no plan {request.supersedes!r}")])
    return prepare(request, Dossier(session, pins=dict(pins or {})))


def carry_out(
    database: Database, prepared: Prepared, body: Any, created_at: datetime, descent: Descent | None = None
) -> dict[str, Any]:
    """Solve what is prepared and store the plan; the answer is what `GET` will say.

    No transaction is open while the solver works: what it needs was read before, and revisions never change.
    """
    started_at = datetime.now(UTC)
    outcome = prepared.solve()
    weakest, profiles = used(prepared.sources, assumed=prepared.dossier.assumed)
    answer: dict[str, Any] = {
        "options": prepared.effective_options(),
        "warnings": [warning.model_dump() for warning in prepared.dossier.warnings],
        "result": outcome.result,
        "infeasible": outcome.infeasible,
        "provenance": {
            "weakest": weakest,
            "profiles": [profile.model_dump() for profile in profiles],
            "solver_version": _VERSION,
            "solve_s": outcome.solve_s,
        },
    }
    if descent is not None:
        answer["changed"] = descent.changed(outcome)
    row = PlanRow(
        id=uuid.uuid4().hex,
        kind=prepared.kind,
        status=outcome.status,
        name=prepared.request.name,
        supersedes=prepared.request.supersedes,
        parent=descent and descent.parent,
        users=prepared.users,
        created_at=created_at,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        request=body,
        request_hash=_digest(body),
        answer=answer,
        pins=prepared.dossier.pins,
    )
    with database.writing() as session:
        session.add(row)
        session.flush()
        for block, start in enumerate(range(0, len(outcome.users), _BLOCK)):
            entries = outcome.users[start : start + _BLOCK]
            ids = [entry["id"] for entry in entries]
            session.add(PlanUsersRow(plan_number=row.number, block=block, ids=ids, entries=entries))
    return _document(row, outcome.users if len(outcome.users) <= INLINE_USERS else None)


def get(session: Session, plan_id: str) -> dict[str, Any]:
    """A plan as it was answered. Raises PlanNotFound."""
    return _read(session, find(session, plan_id))


def find(session: Session, plan_id: str) -> PlanRow:
    """A plan as it is stored. Raises PlanNotFound."""
    row = session.scalars(select(PlanRow).where(PlanRow.id == plan_id)).one_or_none()
    if row is None:
        raise PlanNotFound(f"There is no plan {plan_id!r}.")
    return row


def current(session: Session, name: str) -> dict[str, Any]:
    """The newest plan of a name. Raises PlanNotFound."""
    newest = select(PlanRow).where(PlanRow.name == name).order_by(PlanRow.number.desc()).limit(1)
    row = session.scalars(newest).one_or_none()
    if row is None:
        raise PlanNotFound(f"There is no plan named {name!r}.")
    return _read(session, row)


def list_plans(
    session: Session, status: str | None, kind: str | None, name: str | None, before: int | None, limit: int
) -> list[PlanRow]:
    """Plans of that status, kind and name, newest first, from the first before a number."""
    wanted = select(PlanRow).order_by(PlanRow.number.desc()).limit(limit)
    for column, value in ((PlanRow.status, status), (PlanRow.kind, kind), (PlanRow.name, name)):
        if value is not None:
            wanted = wanted.where(column == value)
    if before is not None:
        wanted = wanted.where(PlanRow.number < before)
    return list(session.scalars(wanted))


def list_users(session: Session, plan_id: str, start: int, limit: int) -> list[dict[str, Any]]:
    """Users of a plan's result (or of its reasons) from a position on. Raises PlanNotFound."""
    row = find(session, plan_id)
    blocks = session.scalars(
        select(PlanUsersRow.entries)
        .where(
            PlanUsersRow.plan_number == row.number,
            PlanUsersRow.block.between(start // _BLOCK, (start + limit - 1) // _BLOCK),
        )
        .order_by(PlanUsersRow.block)
    )
    entries = [entry for block in blocks for entry in block]
    offset = start % _BLOCK
    return entries[offset : offset + limit]


def get_user(session: Session, plan_id: str, user_id: str) -> dict[str, Any]:
    """What a plan says of one user. Raises PlanNotFound, PlanUserNotFound."""
    row = find(session, plan_id)
    ids = select(PlanUsersRow.block, PlanUsersRow.ids).where(PlanUsersRow.plan_number == row.number)
    for block, names in session.execute(ids.order_by(PlanUsersRow.block)):
        if user_id in names:
            entries = session.scalars(
                select(PlanUsersRow.entries).where(PlanUsersRow.plan_number == row.number, PlanUsersRow.block == block)
            ).one()
            entry: dict[str, Any] = entries[names.index(user_id)]
            return entry
    raise PlanUserNotFound(plan_id, user_id)


def forget(session: Session, plan_id: str) -> None:
    """Delete a plan and its users. Raises PlanNotFound."""
    row = find(session, plan_id)
    session.execute(delete(PlanUsersRow).where(PlanUsersRow.plan_number == row.number))
    session.delete(row)


def _digest(body: Any) -> str:
    """SHA-256 of a request as canonical JSON, whose integers may be longer than 64 bits."""
    canonical = json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _stored(session: Session, plan_id: str) -> bool:
    return session.scalar(select(PlanRow.number).where(PlanRow.id == plan_id)) is not None


def _read(session: Session, row: PlanRow) -> dict[str, Any]:
    """A stored plan as JSON, with its users where they are few."""
    users: list[dict[str, Any]] | None = None
    blocks = select(PlanUsersRow.entries).where(PlanUsersRow.plan_number == row.number)
    if row.users <= INLINE_USERS:
        users = [entry for block in session.scalars(blocks.order_by(PlanUsersRow.block)) for entry in block]
    elif row.answer["result"] is None:
        # Few users may fail in a large cell: at most one block is read to see.
        first = list(session.scalars(blocks.order_by(PlanUsersRow.block).limit(2)))
        users = [entry for block in first for entry in block] if len(first) < 2 else None
    return _document(row, users)


def _document(row: PlanRow, users: list[dict[str, Any]] | None) -> dict[str, Any]:
    """The contract's plan; `users` None: they have an address of their own."""
    answer = row.answer
    part = {"users": users} if users is not None else {"users_url": f"/v1/plans/{row.id}/users"}
    document: dict[str, Any] = {
        "id": row.id,
        "kind": row.kind,
        "status": row.status,
        "name": row.name,
        "users_count": row.users,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "supersedes": row.supersedes,
        **({} if row.parent is None else {"parent": row.parent, "changed": answer["changed"]}),
        "request_hash": row.request_hash,
        "options": answer["options"],
        "result": answer["result"] and answer["result"] | part,
    }
    if answer["infeasible"] is not None:
        document["infeasible"] = part | answer["infeasible"]
    if answer["warnings"]:
        document["warnings"] = answer["warnings"]
    return document | {"provenance": answer["provenance"]}
