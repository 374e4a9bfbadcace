"""Is the process alive, and can it do its work?"""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app import migration
from app.bodies import StrictRoute
from app.db import ReadSession
from app.errors import NotReady
from app.problems import documented

router = APIRouter(tags=["Health"], route_class=StrictRoute)


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Everything the service needs has answered."""

    status: Literal["ready"] = "ready"
    database: str = Field(description="The kind of database that answered.")
    schema_version: str = Field(description="The migration the database is at, which is the one this code needs.")


@router.get("/livez", operation_id="get_liveness", summary="Is the process alive?")
async def livez() -> Alive:
    """Answers as long as the process runs; asks nothing else."""
    return Alive()


@router.get("/readyz", operation_id="get_readiness", summary="Can the service work?", responses=documented(NotReady))
def readyz(session: ReadSession) -> Ready:
    """Asks the database, and checks that its schema is the one this code needs."""
    version = migration.current(session.connection())
    if version is None or version != migration.newest():
        raise NotReady(
            f"The database is at schema version {version or 'none'}, this service needs {migration.newest()}: "
            "run `splitplan migrate`."
        )
    return Ready(database=session.get_bind().dialect.name, schema_version=version)
