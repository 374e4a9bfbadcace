"""The routes of the service's features, each loaded by the first request that may be for it.

To load them all takes a third of what a start costs, and memory: a service that is only asked for
plans never loads what reads the logs of power meters.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.allocator import undisturbed
from app.http.directory import Directory, steps_of
from app.http.paths import MODEL_IMPORT
from app.ui.door import ROOT

_ANY = "*"


@dataclass(frozen=True, slots=True)
class Feature:
    """Routes that are loaded together."""

    addresses: tuple[str, ...]
    """All its routes are at these or below; `*` is any step."""
    opened: Callable[[FastAPI], Iterable[APIRouter]]
    """Loads its routers, and gives the application what they need of it."""

    def may_answer(self, steps: list[str]) -> bool:
        """Whether an address may be one of its own."""
        for address in self.addresses:
            first, rest = _parted(address)
            # Every request asks, and is of most features no more than this.
            if steps[: len(first)] == first and _leads_to(rest, steps[len(first) :]):
                return True
        return False


@cache
def _parted(address: str) -> tuple[list[str], list[str]]:
    """The steps before the first that may be any, and the others."""
    steps = address.split("/")
    fixed = steps.index(_ANY) if _ANY in steps else len(steps)
    return steps[:fixed], steps[fixed:]


def _leads_to(address: Sequence[str], steps: Sequence[str]) -> bool:
    return len(steps) >= len(address) and all(
        mine in (_ANY, given) for mine, given in zip(address, steps, strict=False)
    )


class Features:
    """What is loaded of the features of an application, in an order that does not depend on who
    asked first.
    """

    def __init__(self, app: FastAPI, features: Iterable[Feature]) -> None:
        self._app, self._features = app, tuple(features)
        self._left = dict(enumerate(self._features))
        self._lock = threading.Lock()
        self._routes: dict[int, list[BaseRoute]] = {}
        self._directory = Directory()
        app.router.routes.insert(0, self._directory)

    @property
    def complete(self) -> bool:
        """Whether all are loaded."""
        return not self._left

    def left_for(self, path: str, root_path: str) -> list[int]:
        """The numbers of those that may answer an address and are not loaded."""
        if self.complete:
            return []
        steps = steps_of(path, root_path)
        return [number for number, each in list(self._left.items()) if each.may_answer(steps)]

    def load(self, numbers: Iterable[int]) -> None:
        """Load some, whoever else may load them at the same time."""
        with self._lock:
            for number in numbers:
                if number in self._left:
                    with undisturbed():
                        self._include(number, self._left[number])
                    del self._left[number]

    def load_all(self) -> None:
        """Load those that are left."""
        self.load(list(self._left))

    def routes(self) -> list[BaseRoute]:
        """All routes, in the order of the features."""
        self.load_all()
        return [route for _, routes in sorted(self._routes.items()) for route in routes]

    def _include(self, number: int, feature: Feature) -> None:
        own = self._routes[number] = []
        for router in feature.opened(self._app):
            for route in router.routes:
                path = getattr(route, "path", "")
                assert feature.may_answer(path.split("/")), f"{path} would never be found"
            self._app.include_router(router)
            own.append(self._app.router.routes[-1])
            # Last: what it finds is there.
            self._directory.enter(router.routes, number)


class Loading:
    """Has what a request may be for loaded before it goes on."""

    def __init__(self, app: ASGIApp, features: Features) -> None:
        self.app, self._features = app, features

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            left = self._features.left_for(scope["path"], scope.get("root_path", ""))
            if left:
                await run_in_threadpool(self._features.load, left)
        await self.app(scope, receive, send)


def _plans(app: FastAPI) -> Iterator[APIRouter]:
    from app.plans import current_routes, endpoints, routes
    from app.plans.name_events import NameWatch

    state = app.state
    state.names = NameWatch(state.database, state.hands, state.draining)
    yield from endpoints.routers()
    yield current_routes.router  # before the one to which `current` would be the id of a plan
    yield routes.router


def _validations(_: FastAPI) -> Iterator[APIRouter]:
    from app.validations import routes

    yield routes.router


def _experiments(_: FastAPI) -> Iterator[APIRouter]:
    from app.experiments import routes

    yield routes.router


def _bundles(_: FastAPI) -> Iterator[APIRouter]:
    from app.bundles import routes

    yield routes.router


def _comparisons(_: FastAPI) -> Iterator[APIRouter]:
    from app.comparisons import routes

    yield routes.router


def _figures(_: FastAPI) -> Iterator[APIRouter]:
    from app.figures import routes

    yield routes.router


def _explanations(_: FastAPI) -> Iterator[APIRouter]:
    from app.explanations import routes

    yield routes.router


def _experiment_figures(_: FastAPI) -> Iterator[APIRouter]:
    from app.figures import experiment_routes

    yield experiment_routes.router


def _profile_figures(_: FastAPI) -> Iterator[APIRouter]:
    from app.figures import profile_routes

    yield from profile_routes.routers


def _evidence(app: FastAPI) -> Iterator[APIRouter]:
    from app.evidence import routes
    from app.evidence.service import Receiver

    app.state.evidence = Receiver(app.state.database)
    yield routes.router


def _profiles(_: FastAPI) -> Iterator[APIRouter]:
    from app.profiles import routes

    yield from routes.routers


def _measurements(_: FastAPI) -> Iterator[APIRouter]:
    from app.measurements import routes

    yield routes.router


def _power(_: FastAPI) -> Iterator[APIRouter]:
    from app.measurements.power import routes

    yield routes.router


def _estimates(_: FastAPI) -> Iterator[APIRouter]:
    from app.measurements.estimates import routes

    yield routes.router


def _imports(_: FastAPI) -> Iterator[APIRouter]:
    from app.profiles import imports

    yield imports.router


def _catalogue(_: FastAPI) -> Iterator[APIRouter]:
    from app.catalogue import routes

    yield routes.router


def _operation(_: FastAPI) -> Iterator[APIRouter]:
    from app import health, metrics, problems

    yield from (problems.router, health.router, metrics.router)


def _pages(_: FastAPI) -> Iterator[APIRouter]:
    from app.ui import routes, study_routes

    yield routes.router
    yield study_routes.router


_KINDS = tuple(f"/v1/{kind}" for kind in ("devices", "models", "channels", "servers", "timings"))
# In the order in which the documentation lists them.
FEATURES = (
    Feature(("/v1/plans",), _plans),
    Feature(("/v1/plans/*/validations",), _validations),
    Feature(("/v1/experiments",), _experiments),
    Feature(("/v1/experiments/*/figures",), _experiment_figures),
    Feature(("/v1/plans/*/bundle", "/v1/plans/*/request"), _bundles),
    Feature(("/v1/plans/*/compare",), _comparisons),
    Feature(("/v1/plans/*/explain",), _explanations),
    Feature(("/v1/plans/*/observations",), _evidence),
    Feature(("/v1/plans/*/figures",), _figures),
    Feature(_KINDS, _profiles),
    Feature(("/v1/timings/*/figures", "/v1/devices/*/figures"), _profile_figures),
    Feature(("/v1/timings/*/measurements",), _measurements),
    Feature(("/v1/devices/*/power-measurements",), _power),
    Feature(("/v1/devices/estimate", "/v1/timings/estimate"), _estimates),
    Feature((MODEL_IMPORT,), _imports),
    Feature(("/v1/catalogue",), _catalogue),
    Feature(("/v1/problem-types", "/livez", "/readyz", "/metrics"), _operation),
    Feature((ROOT,), _pages),
)
