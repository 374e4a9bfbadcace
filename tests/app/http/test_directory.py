"""The operation of an address, found step by step."""

from typing import Any

import pytest
from starlette.routing import Match

from app.http.bodies import StrictRoute
from app.http.directory import Directory
from app.main import create_app
from app.settings import Settings

APP = Settings.model_construct(database_url="sqlite:///never-opened.db")


@pytest.fixture(scope="module")
def routes() -> list[Any]:
    included: list[Any] = create_app(APP).state.features.routes()
    return [route for each in included for route in each.original_router.routes]


def _with(routes: list[Any]) -> Directory:
    directory = Directory()
    directory.enter(routes)
    return directory


def _asked(method: str, path: str, media_type: bytes = b"", root: str = "") -> dict[str, Any]:
    headers = [(b"content-type", media_type)] if media_type else []
    whole = {"type": "http", "method": method, "path": root + path, "headers": headers}
    return whole | {"root_path": root}


def _by_turns(routes: list[Any], scope: dict[str, Any]) -> tuple[Match, Any, Any]:
    """What asking one after the other finds."""
    for route in routes:
        match, found = route.matches(scope)
        if match == Match.FULL:
            return match, found["route"], found["path_params"]
    return Match.NONE, None, None


def test_it_finds_what_asking_one_after_the_other_finds(routes: list[Any]) -> None:
    directory = _with(routes)
    paths = {route.path for route in routes}
    given = {path.replace("{", "").replace("}", "") for path in paths}
    # What might be the name of something, or is an address of its own.
    given |= {path.replace("{plan_id}", "current").replace("{", "").rstrip("}") for path in paths}
    given |= {f"{path}/" for path in given} | {f"{path}//x" for path in given} | {"", "/v1", "x"}
    for path in sorted(given):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            for media_type in (b"", b"text/csv") if method == "POST" else (b"",):
                scope = _asked(method, path, media_type)
                match, found = directory.matches(scope)
                by_turns = _by_turns(routes, scope)
                assert (match, found.get("route"), found.get("path_params")) == by_turns, scope


def test_every_operation_is_in_it(routes: list[Any]) -> None:
    directory = _with(routes)
    for route in routes:
        assert isinstance(route, StrictRoute)
        for media_type in (b"", b"text/csv"):
            path = route.path.replace("{", "").replace("}", "")
            method = next(iter(route.methods or ()))
            match, found = directory.matches(_asked(method, path, media_type))
            assert (match, found["route"].path) == (Match.FULL, route.path)


def test_behind_a_proxy(routes: list[Any]) -> None:
    match, found = _with(routes).matches(_asked("GET", "/v1/devices/x", root="/behind"))
    assert (match, found["path_params"]) == (Match.FULL, {"name": "x"})


def test_a_socket_is_for_nobody(routes: list[Any]) -> None:
    assert _with(routes).matches({"type": "websocket", "path": "/livez"}) == (Match.NONE, {})
