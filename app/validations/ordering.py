"""How a request for a validation is answered: at once if it is small, in the background, or as it
was before.
"""

import contextlib
import math
import time
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.db import Database, database_of
from app.errors import PlanNotFound, QueueFull, TooManyAtOnce
from app.http.preferences import Preferences
from app.limits import require_storage
from app.plans import durable
from app.plans.answering import (
    TWIN_WAIT_S,
    answered,
    ended_within,
    key_of,
    perhaps_seen,
    preferences_of,
    repeated_wait_s,
)
from app.plans.durable import Room
from app.plans.progress import for_at_most
from app.plans.tables import PlanRow
from app.validations import service
from app.validations.schemas import ValidationRequest
from app.validations.tables import ValidationRow
from solvers.progress import Cancelled

if TYPE_CHECKING:
    from app.validations.replaying import Replayable

# About ten seconds; what is more goes to the background.
AT_ONCE_DRAWS = 300_000_000
_DRAW_S = 40e-9


def ordered(request: Request, plan_id: str, body: ValidationRequest) -> Response:
    """Answer a request for a validation.

    Raises PlanNotFound, PlanNotEnded, PlanNotReplayable, InvalidRequest, KeyReused, QueueFull,
    TooManyAtOnce, StorageFull.
    """
    from app.validations.replaying import prepared  # the first replay loads what replays

    database = database_of(request)
    asked, key = preferences_of(request), key_of(request)
    arrived = time.monotonic()
    if key is not None and (before := durable.known(database, ValidationRow, key)) is not None:
        return _replied(database, before, asked)
    ready = prepared(database, plan_id, body)
    require_storage(request)
    try:
        row = _begun(request, ready, asked)
    except (IntegrityError, QueueFull, TooManyAtOnce):
        winner = None if key is None else durable.known(database, ValidationRow, key)
        if winner is None:
            raise
        return _replied(database, winner, asked)
    document = service.document(plan_id, row)
    if row.status == "queued" and asked.wait_s is not None:
        left_s = asked.wait_s - (time.monotonic() - arrived)
        with perhaps_seen("validation", row.id):
            ended_within(database, ValidationRow, row.id, left_s)
            document = _read(database, row.id)
    return _told(document, asked, ready.draws * _DRAW_S, 201)


def _begun(request: Request, ready: "Replayable", asked: Preferences) -> ValidationRow:
    """A validation that is replayed already, where it is small and nobody waits for too long; else
    one that is in line.
    """
    from app.validations.replaying import replayed

    database = database_of(request)
    if ready.draws <= AT_ONCE_DRAWS and not asked.respond_async:
        wait_s = math.inf if asked.wait_s is None else asked.wait_s
        with contextlib.suppress(Cancelled):  # its caller waits no longer: it goes in line
            found = replayed(ready, for_at_most(wait_s))
            return service.keep(database, ready, found, key_of(request))
    return service.accept(database, ready, key_of(request), Room.of(request))


def _replied(database: Database, validation_id: str, asked: Preferences) -> Response:
    """The answer to a request that came before with the same key."""
    wait_s = repeated_wait_s(asked, TWIN_WAIT_S)
    ended_within(database, ValidationRow, validation_id, wait_s)
    return _told(_read(database, validation_id), asked, 1.0, 200)


def _read(database: Database, validation_id: str) -> dict[str, Any]:
    with database.reading() as session:
        found = session.execute(
            select(ValidationRow, PlanRow.id)
            .join(PlanRow, PlanRow.number == ValidationRow.plan_number)
            .where(ValidationRow.id == validation_id)
        ).one_or_none()
        if found is None:
            raise PlanNotFound("The plan was deleted just now, and its validations with it.")
        row, plan_id = found
        return service.document(plan_id, row)


def _told(document: dict[str, Any], asked: Preferences, about_s: float, ended: int) -> Response:
    address = f"/v1/plans/{document['plan_id']}/validations/{document['number']}"
    return answered(document, address, asked, about_s, ended)
