"""What a test asks of an answer."""

from typing import Any

import httpx
import pytest

# Of a plan, whenever it is made.
_DIFFERS = {"id", "parent", "created_at", "started_at", "finished_at", "request_hash"}
_LEFT_OUT = "…"  # stands for entries that are not printed


def slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return str(problem["type"]).removeprefix("/v1/problem-types/")


def pointers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert slug(answer) == "invalid-request"
    return [error["pointer"] for error in answer.json()["errors"]]


def differences(said: Any, real: Any, where: str = "") -> list[str]:
    """Where the real answer is not what is printed; it may leave fields out."""
    match said:
        case dict():
            assert isinstance(real, dict), where
            skipped = {_LEFT_OUT} | (_DIFFERS if where == "" else set())
            return [
                difference
                for key, value in said.items()
                if key not in skipped
                for difference in (
                    differences(value, real[key], f"{where}/{key}")
                    if key in real
                    else [f"{where}/{key} is not answered"]
                )
            ]
        case list() if _LEFT_OUT in said:
            return _in_order(said, list(real), where)
        case list():
            if len(said) != len(real):
                return [f"{where}: {len(said)} entries, really {len(real)}"]
            return [
                d
                for n, pair in enumerate(zip(said, real, strict=True))
                for d in differences(*pair, f"{where}/{n}")
            ]
        case float() | int() if not isinstance(said, bool):
            return (
                [] if real == pytest.approx(said, rel=1e-3) else [f"{where}: {said}, really {real}"]
            )
        case str() if said.endswith("..."):
            return (
                [] if str(real).startswith(said[:-3]) else [f"{where}: {said!r}, really {real!r}"]
            )
        case _:
            return [] if said == real else [f"{where}: {said!r}, really {real!r}"]


def _in_order(said: list[Any], real: list[Any], where: str) -> list[str]:
    """Where entries that are printed do not come in that order among others."""
    for n, entry in enumerate(said):
        if entry == _LEFT_OUT:
            continue
        while real and differences(entry, real[0], f"{where}/{n}"):
            if said[n - 1 : n] != [_LEFT_OUT]:
                return differences(entry, real[0], f"{where}/{n}")
            del real[0]
        if not real:
            return [f"{where}: nothing is {entry!r}"]
        del real[0]
    return [] if not real or said[-1] == _LEFT_OUT else [f"{where}: really {len(real)} more"]


def unnamed(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what tells stored profiles from inline ones."""
    users = [
        {name: value for name, value in user.items() if name not in ("model", "device")}
        for user in result["users"]
    ]
    return result | {"users": users}
