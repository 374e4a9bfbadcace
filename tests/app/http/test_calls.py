"""Operations that are called whole in one thread."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from app.hands import Hands
from app.http.bodies import StrictRoute
from app.http.calls import Call
from app.main import create_app
from app.settings import Settings


class Told(BaseModel):
    """An answer."""

    steps: list[str]


class Way:
    """What was done for a request, and by which threads."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.threads: set[int] = set()

    def went(self, step: str) -> None:
        """Note a step."""
        self.steps.append(step)
        self.threads.add(threading.get_ident())


@pytest.fixture
def way() -> Way:
    return Way()


@pytest.fixture
def get(way: Way) -> Callable[..., httpx.Response]:
    """Asks an application with one operation."""
    router = APIRouter(route_class=StrictRoute)

    def check(seen: Annotated[int, Header(ge=1)] = 1) -> int:
        way.went("check")
        return seen

    def session() -> Iterator[str]:
        way.went("open")
        try:
            yield "session"
        except RuntimeError:
            way.went("roll back")
            raise
        way.went("commit")

    @router.get("/{number}", status_code=203)
    def told(
        number: int,
        session: Annotated[str, Depends(session, scope="function")],
        seen: Annotated[int, Depends(check)],
        response: Response,
        fail: bool = False,
    ) -> Told:
        way.went(f"{session} {number} {seen}")
        response.headers["X-Way"] = "told"
        if fail:
            raise RuntimeError
        return Told(steps=way.steps)

    app = FastAPI()
    app.state.hands = Hands()
    app.include_router(router)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def ask(address: str, headers: dict[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(address, headers=headers)

    return lambda address, **headers: asyncio.run(ask(address, headers))


def test_all_of_an_operation_goes_through_one_thread(
    get: Callable[..., httpx.Response], way: Way
) -> None:
    answer = get("/3", seen="7")
    assert (answer.status_code, answer.headers["x-way"]) == (203, "told")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"steps": ["check", "open", "session 3 7"]}
    assert way.steps[-1] == "commit"
    assert len(way.threads) == 1


def test_what_is_not_said_is_what_it_is_by_default(
    get: Callable[..., httpx.Response], way: Way
) -> None:
    """Also after a request that said it."""
    for headers, seen in (({}, 1), ({"Seen": "7"}, 7), ({"other": "7"}, 1), ({"SEEN": "8"}, 8)):
        assert get("/3?fail=no" if headers else "/3", **headers).status_code == 203
        assert way.steps[-2] == f"session 3 {seen}"


def test_a_failure_passes_through_the_session(get: Callable[..., httpx.Response], way: Way) -> None:
    assert get("/3?fail=true").status_code == 500
    assert way.steps[-1] == "roll back"


def test_faults_are_told_together_and_before_a_session_is_opened(
    get: Callable[..., httpx.Response], way: Way
) -> None:
    answer = get("/x?fail=perhaps", seen="0")
    assert answer.status_code == 422
    places = [fault["loc"] for fault in answer.json()["detail"]]
    assert places == [["header", "seen"], ["path", "number"], ["query", "fail"]]
    assert not way.steps


def test_what_asks_the_database_is_called_so() -> None:
    """But for bodies that are read piece by piece, and what needs no thread at all."""
    app = create_app(Settings.model_construct(database_url="sqlite:///never-opened.db"))
    routes = (
        context.original_route for context in iter_route_contexts(app.state.features.routes())
    )
    others = {
        route.path for route in routes if isinstance(route, StrictRoute) and Call.of(route) is None
    }
    assert others == {
        *(f"/v1/plans/{kind}" for kind in ("robust", "stopping", "multi-user", "adaptive")),
        "/v1/timings/{name}/measurements",
        "/ui/key",
        "/v1/devices/{name}/power-measurements",
        "/v1/models/import",
        *("/v1/problem-types", "/v1/problem-types/{slug}", "/livez", "/readyz"),
    }
