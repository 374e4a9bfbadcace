"""How an order is answered: at once if it is small, in the background, or as it was before."""

import hashlib
import logging
import threading
import time
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.db import Database
from app.errors import (
    BodyTooLarge,
    FieldError,
    InvalidRequest,
    KeyReused,
    MalformedJson,
    MalformedYaml,
    PlanNotCurrent,
    PlanNotFound,
    QueueFull,
    TooManyUsers,
    UnsupportedMediaType,
    in_one_line,
)
from app.http.answers import rendered
from app.http.preferences import Preferences, preferences
from app.plans import jobs, orders, service
from app.plans.orders import Order
from app.plans.progress import for_at_most
from app.plans.schemas import ENDED
from app.plans.schemas import Request as PlanRequest
from app.plans.tables import PlanRow
from app.problems import documented
from app.queue import Lane, Queue
from app.settings import Settings
from solvers.progress import Cancelled

log = logging.getLogger("splitplan")

# Callers who want to wait longer listen to the plan's events.
_MOST_WAIT_S = 60.0
_LOOK_S = 0.05
# The same small request at the same time: the second caller waits for the first one's answer.
_TWIN_WAIT_S = 5.0
# Whoever waits holds one of the web's 40 threads: the others are for everyone else.
_SEATS = threading.BoundedSemaphore(16)


def _headers(
    prefer: Annotated[
        str | None,
        Header(
            description=(
                "`respond-async`: answer 202 at once; `wait=2`: answer 202 if it takes longer (RFC"
                " 7240)."
            )
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description=(
                "The same key with the same body is the same plan, however often it is sent."
            ),
        ),
    ] = None,
) -> None:
    """Declare what `ordered` reads."""


_LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Address of the plan"}}
_APPLIED = {
    "Preference-Applied": {
        "schema": {"type": "string"},
        "description": "Which preferences were honoured",
    }
}
_RETRY = {
    "Retry-After": {
        "schema": {"type": "integer"},
        "description": "Seconds after which to look again",
    }
}

HEADERS = Depends(_headers)


def answers(
    *, plan: Any, pending: Any, known: Any, known_is: str
) -> dict[int | str, dict[str, Any]]:
    """What a request for a plan may be answered with: the schemas of the plan, of one that is
    solved in the background, and of what is answered without planning.
    """
    return documented(
        MalformedJson,
        MalformedYaml,
        BodyTooLarge,
        TooManyUsers,
        UnsupportedMediaType,
        InvalidRequest,
        KeyReused,
        QueueFull,
    ) | {
        200: {"model": known, "description": known_is, "headers": _LOCATION | _APPLIED},
        201: {"model": plan, "description": "The plan", "headers": _LOCATION | _APPLIED},
        202: {
            "model": pending,
            "description": (
                "The plan is solved in the background: look at its address, or listen to its events"
            ),
            "headers": _LOCATION | _APPLIED | _RETRY,
        },
    }


def require_webhooks(settings: Settings, body: PlanRequest) -> None:
    """Refuse a webhook that could not be signed. Raises InvalidRequest."""
    if body.webhook_url is not None and settings.webhook_secret is None:
        detail = (
            "this service has no secret to sign webhooks with: leave it out, or have"
            " webhook_secret set"
        )
        raise InvalidRequest([FieldError("/webhook_url", detail)])


def ordered(request: Request, order: Order) -> Response:
    """Answer an order: at once where it is small, else when it is solved or waited for long
    enough.
    """
    while True:
        try:
            return _ordered(request, order)
        except PlanNotCurrent:
            # Perhaps replaced by this same request, sent twice at once.
            if (again := known_answer(request)) is None:
                raise
            return again
        except PlanNotFound:
            if _key(request) is None or order.replaces is not None:
                raise
            # Someone else with the key deleted the plan meanwhile: the key is free again.


def _ordered(request: Request, order: Order) -> Response:
    database: Database = request.app.state.database
    settings: Settings = request.app.state.settings
    asked, key = _preferences(request), _key(request)
    prepared = order.prepared
    arrived = time.monotonic()
    small = prepared.users <= settings.sync_max_users and not prepared.heavy
    at_once = small and not asked.respond_async
    lane: Lane = "quick" if small else "plan"
    progress = for_at_most(
        settings.sync_max_s if asked.wait_s is None else min(asked.wait_s, settings.sync_max_s)
    )
    try:
        if at_once:
            try:
                document = service.carry_out(database, order, progress, key)
            except Cancelled:
                lane = "plan"
            else:
                if prepared.request.webhook_url is not None:
                    _put(request.app.state.queue, "webhook", document["id"], "normal")
                return created(document, asked)
        plan_id = jobs.accept(database, order, key, settings.max_queued)
    except IntegrityError:
        # Of two at once the loser finds the winner's row: its insert waited for that one's commit.
        if key is None:
            raise
        winner = jobs.known(database, key)
        if winner is None:
            raise PlanNotFound("The plan with this key was deleted just now.") from None
        return _replayed(database, winner, asked, _TWIN_WAIT_S if small else 0.0)
    document = _read(database, plan_id)  # before a worker is told: not ended yet
    _put(request.app.state.queue, lane, plan_id, prepared.request.priority)
    left_s = 0.0 if asked.wait_s is None else asked.wait_s - (time.monotonic() - arrived)
    if left_s > 0.0:
        _ended_within(database, plan_id, left_s)
        document = _read(database, plan_id)
    return _told(document, asked, prepared.size()[1], ended=201)


def known_answer(request: Request) -> Response | None:
    """The answer to a request that came before with the same key."""
    database: Database = request.app.state.database
    key = _key(request)
    plan_id = jobs.known(database, key) if key is not None else None
    try:
        return (
            None
            if plan_id is None
            else _replayed(database, plan_id, _preferences(request), _TWIN_WAIT_S)
        )
    except PlanNotFound:
        return None  # deleted meanwhile, and the key is free


def _replayed(database: Database, plan_id: str, asked: Preferences, wait_s: float) -> Response:
    wait_s = 0.0 if asked.respond_async else wait_s if asked.wait_s is None else asked.wait_s
    _ended_within(database, plan_id, wait_s)
    return _told(_read(database, plan_id), asked, 1.0, ended=200)


def _told(document: dict[str, Any], asked: Preferences, about_s: float, ended: int) -> Response:
    """The answer that is a plan: with the status of ended ones, or as one that is under way."""
    if document["status"] in ENDED:
        return created(document, asked, ended)
    return accepted(document, asked, about_s)


def created(document: dict[str, Any], asked: Preferences, status: int = 201) -> Response:
    """The answer that is a plan which has ended."""
    honoured = Preferences(wait_s=asked.wait_s)  # it was asked to be late, and is not
    return rendered(
        document, status, {"Location": f"/v1/plans/{document['id']}", **honoured.applied}
    )


def accepted(document: dict[str, Any], asked: Preferences, about_s: float) -> Response:
    """The answer that a plan is under way, and about how long it takes."""
    headers = {
        "Location": f"/v1/plans/{document['id']}",
        "Retry-After": str(min(60, max(1, round(about_s)))),
    }
    return rendered(document, 202, headers | asked.applied)


def _put(queue: Queue, lane: Lane, plan_id: str, priority: str) -> None:
    try:
        queue.put(lane, plan_id, priority)
    except (
        Exception
    ) as failure:  # the plan is stored: the workers find it without the queue, only later
        log.warning("plan %s is not in the queue yet: %s", plan_id, in_one_line(failure))


def _ended_within(database: Database, plan_id: str, seconds: float) -> bool:
    """Whether a plan ends (or goes) within so many seconds; where too many wait already, whether it
    has ended.
    """
    until = time.monotonic() + seconds
    waits = seconds > 0.0 and _SEATS.acquire(blocking=False)
    try:
        while True:
            with database.reading() as session:
                status = session.scalar(select(PlanRow.status).where(PlanRow.id == plan_id))
            if status is None or status in ENDED:
                return True
            if not waits or time.monotonic() >= until:
                return False
            time.sleep(_LOOK_S)
    finally:
        if waits:
            _SEATS.release()


def _read(database: Database, plan_id: str) -> dict[str, Any]:
    with database.reading() as session:
        return service.get(session, plan_id)


def _preferences(request: Request) -> Preferences:
    return preferences(",".join(request.headers.getlist("prefer")), _MOST_WAIT_S)


def _key(request: Request) -> orders.Key | None:
    """The Idempotency-Key, which counts for the path it was sent to."""
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    scope = hashlib.sha256(f"{request.url.path}\0{given}".encode()).hexdigest()
    return orders.Key(scope, orders.digest(request.value))  # type: ignore[attr-defined]  # of StrictRoute
