"""What a plan is made of: a prepared request, where it comes from, and the row it begins as."""

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from app import about
from app.errors import FieldError, InvalidRequest
from app.plans import heads, wanted
from app.plans.columnar import Bulk
from app.plans.family import Outcome, Prepared
from app.plans.library import StoredLibrary
from app.plans.names import Condition
from app.plans.pins import Pins
from app.plans.resolve import Resolver
from app.plans.schemas import Request
from app.plans.stored import Answer, Notice
from app.plans.tables import PlanRow
from app.telemetry.origin import Origin

# Who is in a hurry goes first.
_RANK = {"high": 0, "normal": 1, "low": 2}

R = TypeVar("R", bound=Request)
Prepare = Callable[[R, Resolver], Prepared]


@dataclass(frozen=True, slots=True)
class Lineage:
    """The plan that a plan is made from, what changed in the request, and whose decision changed
    once it is known.
    """

    parent: str
    changes: dict[str, Any]
    max_switches: int | None
    switched: Callable[[Outcome], int | None]


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key: where it counts, and the body that came with it."""

    scope: str
    body: str


@dataclass(frozen=True, slots=True)
class Order:
    """A prepared request: what a plan is made of."""

    prepared: Prepared
    body: Any
    created_at: datetime
    lineage: Lineage | None = None
    bulk: Bulk | None = None
    """The users, where they came as columns: `body` is then everything else."""
    replaces: Condition | None = None
    """The plan that it is made from, if it is made only to replace that one."""


def prepared(
    session: Session, prepare: Prepare[R], request: R, pins: Pins | None = None
) -> Prepared:
    """A prepared request, with the revisions of `pins` where it names the same.

    Raises InvalidRequest.
    """
    if request.supersedes is not None and not _exists(session, request.supersedes):
        raise InvalidRequest(
            [FieldError("/supersedes", f"there is no plan {request.supersedes!r}")]
        )
    library = StoredLibrary(session)
    library.expect(wanted.wanted(request) if pins is None else wanted.pinned(pins))
    resolver = Resolver(library, pins=Pins() if pins is None else pins)
    return prepare(request, resolver)


def new_row(order: Order, key: Key | None) -> PlanRow:
    """A queued plan: everything but what a solver says."""
    prepared, request, lineage = order.prepared, order.prepared.request, order.lineage
    origin = Origin.at_hand()
    answer = Answer.expected(prepared, None if lineage is None else lineage.changes)
    row = PlanRow(
        id=uuid.uuid4().hex,
        kind=prepared.kind,
        status="queued",
        name=request.name,
        supersedes=request.supersedes,
        parent=lineage and lineage.parent,
        max_switches=lineage and lineage.max_switches,
        users=prepared.users,
        created_at=order.created_at,
        started_at=None,
        finished_at=None,
        request=order.body,
        request_hash=digest(order.body if order.bulk is None else [order.body, order.bulk.digest]),
        answer=answer.kept,
        pins=prepared.resolver.pins.kept,
        attempt=0,
        priority=request.priority,
        quick=False,
        rank=_RANK[request.priority],
        deaths=0,
        idempotency=key and key.scope,
        idempotency_body=key and key.body,
        request_id=origin.request_id,
        traceparent=origin.traceparent,
    )
    about.name_plan(row.id)
    if request.webhook_url is not None:
        Notice(request.webhook_url).keep(row)
    return row


def digest(body: Any) -> str:
    """SHA-256 of canonical JSON, whose integers may be longer than 64 bits and in which 1.0 is
    1.
    """
    canonical = json.dumps(
        _integral(body), allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _integral(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {
            name: member if type(member) is str else _integral(member)
            for name, member in value.items()
        }
    if kind is list or kind is tuple:
        return [_integral(member) for member in value]
    return int(value) if kind is float and value.is_integer() else value


def _exists(session: Session, plan_id: str) -> bool:
    return heads.by_id(session, plan_id) is not None
