"""The addresses of the pages. They are no part of the API: what they show is."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BeforeValidator
from starlette.responses import RedirectResponse

from app.db import ReadSession
from app.figures.answering import DrawnSize, FigureName, as_svg
from app.figures.profile_routes import OfRevision
from app.figures.routes import OfUser, draw_plan_figure
from app.hands import of_kind
from app.http.bodies import StrictRoute
from app.http.paging import Cursor
from app.plans import events
from app.plans.documents import PlanKind
from app.plans.routes import PlanIdPath, PlanName, UserIdPath
from app.plans.schemas import PlanStatus
from app.profiles.routes import ProfileName
from app.ui import assets, drawings, drift, key, overview, plan, plans, profiles, user, why
from app.ui.door import ROOT
from app.ui.users import Wish

OR_EMPTY = BeforeValidator(lambda given: given or None)
"""What a form sends of a field that nobody filled in."""

router = APIRouter(prefix=ROOT, route_class=StrictRoute, include_in_schema=False)


@router.get("")
def to_overview(request: Request) -> Response:
    """The address without its slash."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{ROOT}/", 307)


@router.get("/assets/{digest}/{name}")
def asset(digest: str, name: str) -> Response:
    """A style or script."""
    return assets.told(digest, name)


@router.get("/key")
def key_page(
    request: Request, to: Annotated[str | None, Query(max_length=2000)] = None
) -> Response:
    """Where a key is entered."""
    return key.form(request, to)


@router.post("/key")
async def enter_key(request: Request) -> Response:
    """Keep a key."""
    return await key.enter(request)


@router.post("/key/forget")
def forget_key(request: Request) -> Response:
    """Forget it."""
    return key.forget(request)


@router.get("/")
def show_overview(session: ReadSession, request: Request) -> Response:
    """What there is, and what needs somebody."""
    return overview.show(session, request)


@router.get("/profiles")
def show_kinds(session: ReadSession, request: Request) -> Response:
    """The kinds of profiles."""
    return profiles.show_kinds(session, request)


@router.get("/profiles/{collection}")
def show_profiles(
    session: ReadSession, request: Request, collection: str, cursor: Cursor = None
) -> Response:
    """Profiles of a kind."""
    return profiles.show_list(session, request, collection, cursor)


@router.get("/profiles/{collection}/{name}")
def show_profile(
    session: ReadSession,
    request: Request,
    collection: str,
    name: ProfileName,
    revision: OfRevision = None,
) -> Response:
    """A profile, as it is or as a revision had it."""
    return profiles.show(session, request, collection, name, revision)


@router.get("/profiles/{collection}/{name}/figures/{figure}.svg")
def draw_profile(
    session: ReadSession,
    request: Request,
    collection: str,
    name: ProfileName,
    figure: FigureName,
    size: DrawnSize = "wide",
    revision: OfRevision = None,
) -> Response:
    """A figure of a timing or device, where the browser's cookie is sent."""
    asked = session, collection, name, revision, figure
    return as_svg(request, None, size, lambda: drawings.profile_figure(*asked))


@router.get("/drift")
def show_drift(session: ReadSession, request: Request) -> Response:
    """What production saw against what was planned."""
    return drift.show(session, request)


@router.get("/plans")
def show_plans(
    session: ReadSession,
    request: Request,
    status: Annotated[PlanStatus | None, OR_EMPTY] = None,
    kind: Annotated[PlanKind | None, OR_EMPTY] = None,
    name: Annotated[PlanName | None, OR_EMPTY] = None,
    cursor: Cursor = None,
) -> Response:
    """Plans, newest first."""
    wanted = {"status": status, "kind": kind, "name": name}
    return plans.show_list(session, request, wanted, cursor)


@router.get("/plans/{plan_id}")
def show_plan(
    session: ReadSession,
    request: Request,
    plan_id: PlanIdPath,
    q: Annotated[str, Query(max_length=128)] = "",
    sort: Annotated[str | None, Query(max_length=40)] = None,
    order: Literal["ascending", "descending"] = "ascending",
    page: Annotated[int, Query(ge=1, le=10_000_000)] = 1,
) -> Response:
    """One plan, with a page of its users."""
    wish = Wish(q.strip(), sort, order == "descending", page)
    return plan.show(session, request, plan_id, wish)


@router.get("/plans/{plan_id}/figures/{figure}.svg")
def draw_figure(
    session: ReadSession,
    request: Request,
    plan_id: PlanIdPath,
    figure: FigureName,
    size: DrawnSize = "wide",
    user: OfUser = None,
) -> Response:
    """The API's figure, where the browser's cookie is sent."""
    return draw_plan_figure(session, request, plan_id, figure, size, user)


@router.get("/plans/{plan_id}/users/{user_id}")
def show_user(
    session: ReadSession, request: Request, plan_id: PlanIdPath, user_id: UserIdPath
) -> Response:
    """One user of a plan."""
    return user.show(session, request, plan_id, user_id)


@router.get("/plans/{plan_id}/users/{user_id}/why")
@of_kind("planning")
def show_why(
    session: ReadSession, request: Request, plan_id: PlanIdPath, user_id: UserIdPath
) -> Response:
    """Why a user has its cut."""
    return why.show(session, request, plan_id, user_id)


@router.get("/plans/{plan_id}/events")
def follow_plan(
    request: Request,
    plan_id: PlanIdPath,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """What the API tells as it happens, where the browser's cookie is sent."""
    return events.stream(request, plan_id, last_event_id)
