"""How a request for an experiment is answered: in the background, or as it was before."""

import time
from typing import Any

from fastapi import Request, Response
from sqlalchemy.exc import IntegrityError

from app.db import Database, database_of
from app.errors import QueueFull, TooManyAtOnce
from app.experiments import service
from app.experiments.accepting import accept, looked_through
from app.experiments.schemas import ExperimentRequest
from app.experiments.tables import ExperimentRow
from app.http.preferences import Preferences
from app.limits import require_storage
from app.plans import durable
from app.plans.answering import (
    answered,
    ended_within,
    key_of,
    perhaps_seen,
    preferences_of,
    repeated_wait_s,
)
from app.plans.durable import Room
from app.settings import Settings


def ordered(request: Request, body: ExperimentRequest) -> Response:
    """Answer a request for an experiment.

    Raises InvalidRequest, RevisionsUnknown, TooManyUsers, KeyReused, QueueFull, TooManyAtOnce,
    StorageFull.
    """
    database, settings = database_of(request), _settings(request)
    asked, key = preferences_of(request), key_of(request)
    arrived = time.monotonic()
    if key is not None and (before := durable.known(database, ExperimentRow, key)) is not None:
        return _replied(database, before, asked)
    ready = looked_through(
        database,
        body,
        request.value,  # type: ignore[attr-defined]  # of StrictRoute
        request.state.limits,
        settings.max_experiment_points,
    )
    require_storage(request)
    try:
        row = accept(database, ready, key, Room.of(request))
    except (IntegrityError, QueueFull, TooManyAtOnce):
        winner = None if key is None else durable.known(database, ExperimentRow, key)
        if winner is None:
            raise
        return _replied(database, winner, asked)
    document = service.accepted(row)
    if asked.wait_s is not None:
        with perhaps_seen("experiment", row.id):
            left_s = asked.wait_s - (time.monotonic() - arrived)
            ended_within(database, ExperimentRow, row.id, left_s)
            document = _read(database, row.id)
    return _told(document, asked, ready.seconds, 201)


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _replied(database: Database, experiment_id: str, asked: Preferences) -> Response:
    """The answer to a request that came before with the same key."""
    wait_s = repeated_wait_s(asked, 0.0)
    ended_within(database, ExperimentRow, experiment_id, wait_s)
    return _told(_read(database, experiment_id), asked, 1.0, 200)


def _read(database: Database, experiment_id: str) -> dict[str, Any]:
    with database.reading() as session:
        return service.get(session, experiment_id)


def _told(document: dict[str, Any], asked: Preferences, about_s: float, ended: int) -> Response:
    return answered(document, f"/v1/experiments/{document['id']}", asked, about_s, ended)
