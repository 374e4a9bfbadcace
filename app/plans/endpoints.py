"""The endpoints of new plans, one for each family: parse, look the family up, hand on."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from app.db import Database
from app.errors import TooManyUsers
from app.http.answers import rendered
from app.http.bodies import StrictRoute, declared_as
from app.http.media import content_type
from app.http.paths import media_types
from app.plans import columnar, orders
from app.plans.documents import PENDING, Estimate, estimate
from app.plans.families import FAMILIES
from app.plans.family import Family
from app.plans.library import StoredLibrary
from app.plans.orders import Order
from app.plans.planning import HEADERS, answers, known_answer, ordered, require_webhooks
from app.plans.resolve import Resolver
from app.plans.schemas import Request as PlanRequest
from app.settings import Settings

DryRun = Annotated[bool, Query(description="Only validate and estimate; store nothing.")]


# Compressed columns may unpack to so many times the largest body.
_UNPACKED = 16


async def _few_enough(request: Request) -> None:
    """Refuse long lists of users before each of them is looked at."""
    body, most = getattr(request, "value", None), request.app.state.settings.max_users
    users = body.get("users") if isinstance(body, dict) else None
    if isinstance(users, list) and len(users) > most:
        taken = media_types(request, request.scope["route"].path)
        raise TooManyUsers(len(users), most, *columnar.instead(taken, request.app.state.settings))


def _answers(family: Family) -> dict[int | str, dict[str, Any]]:
    """What a request for a plan of a kind may be answered with."""
    known: Any = Annotated[family.plan | Estimate, Field(discriminator="object")]
    return answers(
        plan=family.plan,
        pending=PENDING[family.kind],
        known=known,
        known_is="A dry run's estimate, or the ended plan of the same Idempotency-Key",
    )


def routers() -> list[APIRouter]:
    """The endpoints of all families."""
    return [_door(family) for family in FAMILIES.values()]


def _door(family: Family) -> APIRouter:
    """The routes of one family."""
    router = APIRouter(prefix="/v1/plans", tags=["Plans"])
    path, name = f"/{family.kind}", f"plan_{family.kind.replace('-', '_')}"

    def plan_columns(request: Request, body: _ColumnsBody, dry_run: DryRun = False) -> Response:
        return _planned_columns(request, family, body, dry_run=dry_run)

    def plan(
        request: Request,
        body: family.request,  # type: ignore[name-defined]  # a value, for FastAPI
        dry_run: DryRun = False,
    ) -> Response:
        return _planned(request, family, body, dry_run=dry_run)

    if family.prepare_bulk is not None:  # asked first, and only for bodies in columns
        router.add_api_route(
            path,
            plan_columns,
            name=f"{name}_columns",
            methods=["POST"],
            status_code=201,
            include_in_schema=False,
            route_class_override=_ColumnsRoute,
        )
    router.add_api_route(
        path,
        plan,
        name=name,
        methods=["POST"],
        summary=family.summary,
        description=family.description,
        response_model=family.plan,
        route_class_override=StrictRoute,
        status_code=201,
        dependencies=[Depends(_few_enough), HEADERS],
        responses=_answers(family),
    )
    return router


def _planned(request: Request, family: Family, body: PlanRequest, *, dry_run: bool) -> Response:
    database: Database = request.app.state.database
    created_at = datetime.now(UTC)
    if not dry_run and (again := known_answer(request)) is not None:
        return again
    require_webhooks(request.app.state.settings, body)
    with database.reading() as session:
        prepared = orders.prepared(session, family.prepare, body)
        if dry_run:
            return rendered(estimate(prepared).model_dump(mode="json"))
    return ordered(request, Order(prepared, request.value, created_at))  # type: ignore[attr-defined]  # of StrictRoute


class _ColumnsRoute(StrictRoute):
    """A route for bodies in columns, beside the one with the same path for JSON."""

    takes = columnar.READ

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Only requests whose body is declared to be columns."""
        match, child = super().matches(scope)
        declared = content_type(Headers(scope=scope))
        columns = declared is not None and declared.essence in columnar.READ
        return (match, child) if columns else (Match.NONE, {})


async def _read_body(request: Request) -> bytes:
    return await request.body()


_ColumnsBody = Annotated[bytes, Depends(_read_body)]


def _planned_columns(request: Request, family: Family, body: bytes, *, dry_run: bool) -> Response:
    assert family.prepare_bulk is not None
    database: Database = request.app.state.database
    settings: Settings = request.app.state.settings
    created_at = datetime.now(UTC)
    media_type = declared_as(request, *columnar.READ).essence
    bulk = columnar.read(
        media_type, body, settings.max_bulk_users, _UNPACKED * settings.max_body_byte
    )
    request.value = [bulk.terms, bulk.digest]  # type: ignore[attr-defined]  # as StrictRoute does with JSON
    if not dry_run and (again := known_answer(request)) is not None:
        return again
    with database.reading() as session:
        prepared = family.prepare_bulk(bulk, Resolver(StoredLibrary(session)))
        if dry_run:
            return rendered(estimate(prepared).model_dump(mode="json"))
    require_webhooks(settings, prepared.request)
    return ordered(request, Order(prepared, bulk.terms, created_at, bulk=bulk))
