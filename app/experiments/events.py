"""An experiment as server-sent events: how it stands, each time that something happened to it."""

from functools import partial

from fastapi import Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database, database_of
from app.errors import ExperimentNotFound
from app.experiments import service
from app.experiments.tables import ExperimentRow
from app.plans.events import Event, followed
from app.plans.schemas import UNENDED


def stream(request: Request, experiment_id: str, last_event_id: str | None) -> Response:
    """How an experiment stands, now and whenever that changes, until its end; nothing where the end
    was heard of.

    Raises ExperimentNotFound.
    """
    database = database_of(request)
    with database.reading() as session:
        now = _standing(session, experiment_id)
    number, kind, _ = now
    heard = last_event_id == str(number)
    if heard and kind == "end":
        return Response(status_code=204)
    since = partial(_since, database, experiment_id)
    return followed(request, since, number, [] if heard else [now])


def _standing(session: Session, experiment_id: str) -> Event:
    """The latest event, with the experiment in brief. Raises ExperimentNotFound."""
    row = service.find(session, experiment_id)
    kind = "progress" if row.status in UNENDED else "end"
    return row.event, kind, service.heading(session, row)


def _since(database: Database, experiment_id: str, heard: int) -> list[Event] | None:
    asked = select(ExperimentRow.event).where(ExperimentRow.id == experiment_id)
    try:
        with database.reading() as session:
            if session.scalar(asked) == heard:
                return []
            return [_standing(session, experiment_id)]
    except ExperimentNotFound:
        return None
