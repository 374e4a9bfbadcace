"""The endpoints of new plans, one for each family: parse, look the family up, hand on."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from starlette.datastructures import Headers
from starlette.types import Scope

from app.db import database_of
from app.errors import InvalidRequest, TooManyUsers
from app.field_errors import validated
from app.hands import of_kind
from app.http.answers import rendered
from app.http.bodies import StrictRoute
from app.http.media import content_type
from app.limits import Limits
from app.plans import orders, sent, stored
from app.plans.answering import HEADERS
from app.plans.columnar import Bulk
from app.plans.documents import PENDING, Estimate, estimate
from app.plans.families import FAMILIES
from app.plans.family import Family
from app.plans.library import StoredLibrary
from app.plans.orders import Order
from app.plans.planning import answers, known_answer, ordered, require_webhooks
from app.plans.resolve import Resolver
from app.plans.schemas import Request as PlanRequest

DryRun = Annotated[bool, Query(description="Only validate and estimate; store nothing.")]


def _few_enough(family: Family) -> Callable[[Request], None]:
    def refuse_many(request: Request) -> None:
        """Refuse long lists of users before each of them is looked at."""
        limits: Limits = request.state.limits
        body = getattr(request, "value", None)
        users = body.get("users") if isinstance(body, dict) else None
        if isinstance(users, list) and len(users) > limits.max_users:
            otherwise = [] if family.prepare_bulk is None else [sent.instead(limits)]
            raise TooManyUsers(len(users), limits.max_users, *otherwise)

    return refuse_many


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

    @of_kind("planning")
    def plan_table(request: Request, body: _TableBody, dry_run: DryRun = False) -> Response:
        return _planned_table(request, family, body, dry_run=dry_run)

    @of_kind("planning")
    def plan(
        request: Request,
        body: family.request,  # type: ignore[name-defined]  # a value, for FastAPI
        dry_run: DryRun = False,
    ) -> Response:
        return _planned(request, family, body, dry_run=dry_run)

    router.add_api_route(  # asked first, and only for bodies that are tables
        path,
        plan_table,
        name=f"{name}_of_a_table",
        methods=["POST"],
        status_code=201,
        include_in_schema=False,
        route_class_override=_TableRoute,
        dependencies=[Depends(sent.declared_terms(family.request))],
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
        dependencies=[Depends(_few_enough(family)), HEADERS],
        responses=_answers(family),
        openapi_extra=sent.documented(family.request),
    )
    return router


def _planned(request: Request, family: Family, body: PlanRequest, *, dry_run: bool) -> Response:
    database = database_of(request)
    created_at = datetime.now(UTC)
    if not dry_run and (again := known_answer(request)) is not None:
        return again
    require_webhooks(request.app.state.settings, body)
    with database.reading() as session:
        prepared = orders.prepared(session, family.prepare, body)
        if dry_run:
            return rendered(estimate(prepared).model_dump(mode="json"))
    return ordered(request, Order(prepared, request.value, created_at))  # type: ignore[attr-defined]  # of StrictRoute


class _TableRoute(StrictRoute):
    """A route for users in a table, beside the one with the same path for JSON."""

    takes = sent.TABLES

    def is_for(self, scope: Scope) -> bool:
        """Only requests whose body is declared to be a table."""
        declared = content_type(Headers(scope=scope))
        return declared is not None and declared.essence in sent.TABLES


async def _read_body(request: Request) -> bytes:
    return await request.body()


_TableBody = Annotated[bytes, Depends(_read_body)]


def _planned_table(request: Request, family: Family, body: bytes, *, dry_run: bool) -> Response:
    limits: Limits = request.state.limits
    many = family.prepare_bulk is not None
    max_users = limits.max_bulk_users if many else limits.max_users
    given = sent.read(request, body, family.request, family.user, max_users)
    try:
        if many:
            return _planned_columns(request, family, given.bulk, dry_run=dry_run)
        request.value = given.bulk.terms | {"users": stored.as_json(given.bulk.users)}  # type: ignore[attr-defined]  # as StrictRoute does with JSON
        body_as_json = validated(family.request, request.value)  # type: ignore[attr-defined]
        return _planned(request, family, body_as_json, dry_run=dry_run)
    except InvalidRequest as refused:
        raise given.located(refused) from None


def _planned_columns(request: Request, family: Family, bulk: Bulk, *, dry_run: bool) -> Response:
    assert family.prepare_bulk is not None
    database = database_of(request)
    created_at = datetime.now(UTC)
    request.value = [bulk.terms, bulk.digest]  # type: ignore[attr-defined]  # as StrictRoute does with JSON
    if not dry_run and (again := known_answer(request)) is not None:
        return again
    with database.reading() as session:
        prepared = family.prepare_bulk(bulk, Resolver(StoredLibrary(session)))
        if dry_run:
            return rendered(estimate(prepared).model_dump(mode="json"))
    require_webhooks(request.app.state.settings, prepared.request)
    return ordered(request, Order(prepared, bulk.terms, created_at, bulk=bulk))
