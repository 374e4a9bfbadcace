"""What a plan is made of: a prepared request, where it comes from, and the row it begins as."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson
from sqlalchemy.orm import Session

from app import about
from app.errors import FieldError, InvalidRequest
from app.plans import heads, wanted
from app.plans.columnar import Bulk
from app.plans.family import Outcome, Prepared
from app.plans.heads import NewPlan
from app.plans.library import StoredLibrary
from app.plans.names import Condition
from app.plans.pins import Pins
from app.plans.resolve import Resolver
from app.plans.schemas import Request
from app.plans.stored import Answer, Notice
from app.telemetry.origin import Origin

# Who is in a hurry goes first.
_RANK = {"high": 0, "normal": 1, "low": 2}

# Exponents, what could be one, small numbers without, and null, which orjson makes of NaN.
_OTHERWISE = re.compile(rb"[0-9]e|0\.0000|null")

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


def new_plan(order: Order, key: Key | None) -> NewPlan:
    """A queued plan: everything but what a solver says."""
    prepared, request, lineage = order.prepared, order.prepared.request, order.lineage
    origin = Origin.at_hand()
    answer = Answer.expected(prepared, None if lineage is None else lineage.changes)
    plan = NewPlan(
        id=uuid.uuid4().hex,
        kind=prepared.kind,
        status="queued",
        name=request.name,
        supersedes=request.supersedes,
        parent=None if lineage is None else lineage.parent,
        max_switches=None if lineage is None else lineage.max_switches,
        users=prepared.users,
        created_at=order.created_at,
        request=order.body,
        request_hash=digest(order.body if order.bulk is None else [order.body, order.bulk.digest]),
        answer=answer.kept,
        pins=prepared.resolver.pins.kept,
        priority=request.priority,
        rank=_RANK[request.priority],
        idempotency=None if key is None else key.scope,
        idempotency_body=None if key is None else key.body,
        request_id=origin.request_id,
        traceparent=origin.traceparent,
    )
    about.name_plan(plan.id)
    if request.webhook_url is not None:
        Notice(request.webhook_url).keep(plan)
    return plan


def digest(body: Any) -> str:
    """SHA-256 of canonical JSON, whose integers may be longer than 64 bits and in which 1.0 is
    1.
    """
    return hashlib.sha256(_canonical(_integral(body))).hexdigest()


def _canonical(value: Any) -> bytes:
    try:
        told = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # longer integers
        pass
    else:
        # Numbers that Python writes in another way than orjson: whatever was kept counts.
        if not _OTHERWISE.search(told):
            return told
    canonical = json.dumps(
        value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    return canonical.encode()


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
