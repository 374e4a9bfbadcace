"""What does not exist is told with what is near: answers to failures that name something."""

import logging
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.db import Database, database_of
from app.errors import (
    PlanNotFound,
    PlanUserNotFound,
    ProfileNotFound,
    RevisionNotFound,
    SplitplanError,
    in_one_line,
)
from app.problems import problem

log = logging.getLogger(__name__)


def _profile(session: Session, error: SplitplanError) -> str:
    from app.profiles import missing

    assert isinstance(error, (ProfileNotFound, RevisionNotFound))
    return missing.told(session, error)


def _plan(session: Session, error: SplitplanError) -> str:
    from app.plans import strangers

    assert isinstance(error, PlanNotFound)
    if error.named is None:
        return error.detail
    return f"{error.detail} {strangers.plan_advice(session, error.named)}"


def _user(session: Session, error: SplitplanError) -> str:
    from app.plans import strangers
    from app.plans.tables import PlanRow

    assert isinstance(error, PlanUserNotFound)
    number = session.scalar(select(PlanRow.number).where(PlanRow.id == error.plan_id))
    if number is None:
        return error.detail
    told = strangers.stranger(session, number, error.plan_id, error.user_id)
    end = "" if told.endswith("?") else "."
    return f"T{told[1:]}{end} GET /v1/plans/{error.plan_id}/users lists them."


_TOLD: dict[type[SplitplanError], Callable[[Session, SplitplanError], str]] = {
    ProfileNotFound: _profile,
    RevisionNotFound: _profile,
    PlanNotFound: _plan,
    PlanUserNotFound: _user,
}


def handle_missing(app: FastAPI) -> None:
    """Have `app` say what is near where something is not found."""
    for error in _TOLD:
        app.add_exception_handler(error, _missing)


async def _missing(request: Request, error: Exception) -> Response:
    assert isinstance(error, SplitplanError)
    error.detail = await run_in_threadpool(_advised, database_of(request), error)
    return problem(error)


def _advised(database: Database, error: SplitplanError) -> str:
    try:
        with database.reading() as session:
            return _TOLD[type(error)](session, error)
    except SQLAlchemyError as away:  # it is still true that it was not found
        log.warning("what is near cannot be told: %s", in_one_line(away))
        return error.detail
