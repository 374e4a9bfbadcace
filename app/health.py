"""Is the process alive, and can it do its work?"""

from typing import Literal

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.datastructures import State

from app import migration, workers
from app.db import Database
from app.errors import NotReady
from app.http.bodies import StrictRoute
from app.plans import durable
from app.plans.tables import PlanRow
from app.problems import documented
from app.settings import Settings
from solvers.compiled.library import described

router = APIRouter(tags=["Health"], route_class=StrictRoute)


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["alive"] = Field(default="alive", description="The process answers.")


class Readiness(BaseModel):
    """Everything the service needs has answered."""

    status: Literal["ready"] = Field(
        default="ready", description="All that the service needs has answered."
    )
    database: str = Field(description="The kind of database that answered.")
    schema_version: str = Field(
        description="The migration the database is at, which is the one this code needs."
    )
    workers: int = Field(description="Workers that were heard of within their lease.")
    waiting: int = Field(description="Plans in line for a worker.")
    kernel: str = Field(
        description="Who solves here: `compiled` with what it was built from, or `numpy`."
    )


@router.get("/livez", operation_id="get_liveness", summary="Is the process alive?")
async def livez() -> Liveness:
    """Answers as long as the process runs; asks nothing else."""
    return Liveness()


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Can the service work?",
    responses=documented(NotReady),
)
async def readyz(request: Request) -> Readiness:
    """Asks the database, whether its schema is the one this code needs, and whether a
    worker lives.

    Not ready either while the service is about to stop.
    """
    state = request.app.state
    return await to_thread.run_sync(_looked, state, limiter=state.lookers)


def _looked(state: State) -> Readiness:
    database: Database = state.database
    with database.looking() as session:
        return _readiness(session, state)


def _readiness(session: Session, state: State) -> Readiness:
    """Raises NotReady."""
    if state.draining.is_set():
        raise NotReady("The service is about to stop.")
    version = migration.current(session.connection())
    if version is None or version != migration.newest():
        raise NotReady(
            f"The database is at schema version {version or 'none'}, this service needs"
            f" {migration.newest()}: run `splitplan migrate`."
        )
    settings: Settings = state.settings
    alive = workers.living(session, settings.lease_s)
    if alive == 0:
        raise NotReady(
            f"No worker was heard of for {settings.lease_s:g} s: `splitplan serve` starts one"
            " (SPLITPLAN_WORKERS), `splitplan worker` is one."
        )
    waiting = durable.waiting(session, PlanRow)
    return Readiness(
        database=session.get_bind().dialect.name,
        schema_version=version,
        workers=alive,
        waiting=waiting,
        kernel=described(),
    )
