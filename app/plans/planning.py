"""How an order is answered: at once if it is small, in the background, or as it was before."""

import logging
import time
from typing import Any

from fastapi import Request, Response
from sqlalchemy.exc import IntegrityError

from app.db import Database, database_of
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
    StorageFull,
    TooManyAtOnce,
    TooManyUsers,
    UnsupportedMediaType,
)
from app.http.preferences import Preferences
from app.limits import require_storage
from app.news import Lane
from app.plans import durable, jobs, service
from app.plans.answering import (
    RETRY,
    TWIN_WAIT_S,
    answered,
    created,
    ended_within,
    key_of,
    located,
    perhaps_seen,
    preferences_of,
    repeated_wait_s,
)
from app.plans.durable import Room
from app.plans.orders import Order
from app.plans.progress import for_at_most
from app.plans.schemas import Request as PlanRequest
from app.plans.tables import PlanRow
from app.problems import documented
from app.settings import Settings
from solvers.progress import Cancelled

log = logging.getLogger(__name__)


def answers(
    *, plan: Any, pending: Any, known: Any, known_is: str
) -> dict[int | str, dict[str, Any]]:
    """What a request for a plan may be answered with: the schemas of the plan, of one that is
    solved in the background, and of what is answered without planning.
    """
    headers = located("plan")
    return documented(
        MalformedJson,
        MalformedYaml,
        BodyTooLarge,
        TooManyUsers,
        UnsupportedMediaType,
        InvalidRequest,
        KeyReused,
        QueueFull,
        TooManyAtOnce,
        StorageFull,
    ) | {
        200: {"model": known, "description": known_is, "headers": headers},
        201: {"model": plan, "description": "The plan", "headers": headers},
        202: {
            "model": pending,
            "description": (
                "The plan is solved in the background: look at its address, or listen to its events"
            ),
            "headers": headers | RETRY,
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
            if key_of(request) is None or order.replaces is not None:
                raise
            # Someone else with the key deleted the plan meanwhile: the key is free again.


def _ordered(request: Request, order: Order) -> Response:
    database = database_of(request)
    settings: Settings = request.app.state.settings
    asked, key = preferences_of(request), key_of(request)
    prepared = order.prepared
    arrived = time.monotonic()
    require_storage(request)
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
                return created(document, f"/v1/plans/{document['id']}", asked)
        row = jobs.accept(database, order, key, Room.of(request), lane)
    except (IntegrityError, QueueFull, TooManyAtOnce) as lost:
        # Of two at once the loser finds the winner's row: its insert waited for that one's commit,
        # or it was the winner who took the last place.
        if key is None:
            raise
        winner = durable.known(database, PlanRow, key)
        if winner is None and not isinstance(lost, IntegrityError):
            raise
        if winner is None:
            raise PlanNotFound("The plan with this key was deleted just now.") from None
        return _replayed(database, winner, asked, TWIN_WAIT_S if small else 0.0)
    document = service.accepted(row)
    left_s = 0.0 if asked.wait_s is None else asked.wait_s - (time.monotonic() - arrived)
    if left_s > 0.0:
        with perhaps_seen("plan", row.id):
            ended_within(database, PlanRow, row.id, left_s)
            document = _read(database, row.id)
    return _told(document, asked, prepared.size()[1], ended=201)


def known_answer(request: Request) -> Response | None:
    """The answer to a request that came before with the same key."""
    database = database_of(request)
    key = key_of(request)
    plan_id = durable.known(database, PlanRow, key) if key is not None else None
    try:
        return (
            None
            if plan_id is None
            else _replayed(database, plan_id, preferences_of(request), TWIN_WAIT_S)
        )
    except PlanNotFound:
        return None  # deleted meanwhile, and the key is free


def _replayed(database: Database, plan_id: str, asked: Preferences, wait_s: float) -> Response:
    ended_within(database, PlanRow, plan_id, repeated_wait_s(asked, wait_s))
    return _told(_read(database, plan_id), asked, 1.0, ended=200)


def _told(document: dict[str, Any], asked: Preferences, about_s: float, ended: int) -> Response:
    return answered(document, f"/v1/plans/{document['id']}", asked, about_s, ended)


def _read(database: Database, plan_id: str) -> dict[str, Any]:
    with database.reading() as session:
        return service.get(session, plan_id)
