"""Where the web's parts meet."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from operator import attrgetter
from typing import Any

import orjson
from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.responses import RedirectResponse
from starlette.types import Scope

from app import metrics, problems, suggestions
from app.auth.callers import ANYONE
from app.auth.guard import Authentication, Guard
from app.auth.throttle import Throttle
from app.db import open_database
from app.drivers import Patience
from app.features import FEATURES, Features, Loading
from app.hands import ON_POSTGRES, ON_SQLITE, Hands
from app.http.cross_origin import CrossOrigin
from app.http.head import HeadLikeGet
from app.http.incoming import BodyLimit
from app.http.media import HTML, JSON, VARY, preferred
from app.http.paths import MODEL_IMPORT
from app.http.places import Places
from app.http.protection import KnownHosts, SafeHeaders, local, named
from app.last_resort import LastResort
from app.settings import Settings
from app.storage import Storage
from app.telemetry import traces
from app.telemetry.requests import Watched
from app.ui.door import ROOT, Pages

DESCRIPTION = """\
Says where to cut neural networks between devices and an edge server, and what clock, spectrum and
server share each device gets.

* Numbers carry their SI unit in their name (`_s`, `_j`, `_hz`, `_bit`, `_byte`, `_bps`, `_flop`,
  `_w`, `_m`); decibels only where it says `_db` or `_dbm`.
* Unknown fields and unknown query parameters are refused. NaN is not a number; `1234.0` is an
  integer.
* Where a body is JSON it may be YAML (`application/yaml`, RFC 9512): YAML 1.2 without aliases and
  tags, so that `no` and `1:30` are texts and `1e6` is a number.
* Failures are RFC 9457 problems (`application/problem+json`); `type` is an address in
  `/v1/problem-types`.
* A service that has API keys asks everybody for one, as `Authorization: Bearer`; one that trusts an
  identity provider takes its access tokens too. Either has a scope: `read` to look, `plan` to plan
  too, `admin` to change profiles too.
* Every address that answers GET answers HEAD.
* Lists are `{items, next_cursor}`; pass `next_cursor` as `cursor`, or follow the `Link` header.
"""

TAGS = [
    {"name": "Plans", "description": "Planning requests and their proven, explained answers."},
    {
        "name": "Validations",
        "description": "Plans replayed: how often would their users have been late?",
    },
    {
        "name": "Experiments",
        "description": "One request planned in many ways: tables, Pareto fronts, differences.",
    },
    {
        "name": "Evidence",
        "description": "What devices saw under a plan, held against the risks it promised.",
    },
    {"name": "Devices", "description": "Processors with their clocks, power and radio."},
    {"name": "Models", "description": "Neural networks as lists of cuts."},
    {"name": "Channels", "description": "Shared radio channels."},
    {"name": "Servers", "description": "Edge servers: how fast, and for how many at once."},
    {"name": "Timings", "description": "How long one processor takes for one model."},
    {
        "name": "Measurements",
        "description": (
            "Measured times in, revisions of timings out; observed times held against them."
        ),
    },
    {"name": "Catalogue", "description": "The profiles that come with the service."},
    {"name": "Problems", "description": "What can go wrong."},
    {"name": "Health", "description": "For whoever operates the service."},
]


def create_app(settings: Settings) -> FastAPI:
    """The web service; connects to the database only when asked something."""
    settings.choose_kernel()
    patience = Patience(settings.lock_timeout_s, settings.statement_timeout_s)
    database = open_database(settings.database_url, settings.sqlite_busy_timeout_s, patience)

    hands = Hands(ON_SQLITE if database.engine.name == "sqlite" else ON_POSTGRES)
    guard = Guard(database, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        guard.start()
        yield
        guard.close()
        hands.close()
        traces.stop()
        database.engine.dispose()

    app = _described(lifespan)
    app.state.settings = settings
    app.state.database = database
    app.state.lookers = CapacityLimiter(2)  # threads that /readyz need not share
    app.state.guard = guard
    app.state.storage = Storage(database)
    app.state.throttle = Throttle(settings)
    app.state.metrics = metrics.registry(database, settings)
    guard.measure(app.state.metrics)
    app.state.writers, app.state.hands = Places(), hands
    app.state.draining = threading.Event()  # set when the service is about to stop
    app.state.features = Features(app, FEATURES)
    _lead_in(app)
    problems.handle_problems(app)
    suggestions.handle_missing(app)
    _add_layers(app, settings, guard)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _add_layers(app: FastAPI, settings: Settings, guard: Guard) -> None:
    """What a request goes through on its way to its operation, the innermost first."""
    app.add_middleware(Loading, features=app.state.features)
    larger = {MODEL_IMPORT: settings.max_model_byte}
    app.add_middleware(BodyLimit, max_bodies_byte=settings.max_bodies_byte, larger=larger)
    if settings.is_loopback and not settings.allowed_hosts:
        # Whoever is asked for no key may be a page that a browser was led here by.
        app.add_middleware(KnownHosts, known=local(settings.host), asked=_unknown_caller)
    app.add_middleware(
        Authentication, guard=guard, throttle=app.state.throttle, refusal=problems.problem
    )
    app.add_middleware(HeadLikeGet)
    if settings.allowed_hosts and "*" not in settings.allowed_hosts:
        app.add_middleware(KnownHosts, known=named(settings.allowed_hosts))
    app.add_middleware(LastResort)
    app.add_middleware(Pages)
    if settings.cors_origins:
        app.add_middleware(CrossOrigin, origins=settings.cors_origins, refusal=problems.problem)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Watched, access_log=settings.access_log)


def _unknown_caller(scope: Scope) -> bool:
    return scope["state"]["caller"] is ANYONE


def _described(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """An application that says what it is, and has no routes yet."""
    return FastAPIOffline(
        redoc_url=None,
        title="Splitplan",
        summary="Where to cut neural networks between devices and an edge server",
        description=DESCRIPTION,
        version=version("splitplan"),
        contact={"name": "Splitplan"},
        openapi_tags=TAGS,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # see app.telemetry
        separate_input_output_schemas=False,
        generate_unique_id_function=attrgetter("name"),
        # Swagger UI would otherwise fetch a badge from a validator on the internet.
        swagger_ui_parameters={
            "validatorUrl": None,
            "docExpansion": "list",
            "tryItOutEnabled": True,
        },
    )


def _lead_in(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def lead_in(request: Request) -> RedirectResponse:
        """People to the pages, programs to the documentation."""
        is_browser = preferred(request.headers, (JSON, HTML)) == HTML
        to = f"{ROOT.removeprefix('/')}/" if is_browser else "docs"
        return RedirectResponse(to, headers=VARY)


def openapi_document() -> bytes:
    """What /openapi.json serves, in an order that does not depend on the run."""
    # No environment may change the document; the database is never opened.
    served = create_app(
        Settings.model_construct(database_url="sqlite:///never-opened.db")
    ).openapi()
    return orjson.dumps(
        served, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    from app import document

    if app.openapi_schema is None:
        app.openapi_schema = document.describe(app, app.state.features.routes(), app.state.settings)
    return app.openapi_schema
