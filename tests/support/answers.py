"""What a test asks of an answer."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

# Of a plan, whenever it is made.
_DIFFERS = {"id", "parent", "created_at", "started_at", "finished_at", "request_hash"}
_LEFT_OUT = "…"  # stands for entries that are not printed
_ID = re.compile(r"[0-9a-f]{32}")
# Of what a terminal shows, from run to run.
_VARIES = re.compile(
    r"(?<=in )[\d.]+ [mµ]?s\b|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    r"|(?<=gap )\d\.\de-\d\d"  # below what was asked for, each kernel goes as far as it goes
)


def steps(block: str) -> Iterator[tuple[str, str]]:
    """The commands of a terminal, each with what it prints."""
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, said = step.partition("\n")
        yield command, said


def unlike(said: str, printed: str) -> list[str]:
    """The first line that a terminal really prints otherwise, beside how; `...` ends a look."""
    told, real = (_VARIES.sub("...", _ID.sub("id", text)).splitlines() for text in (said, printed))
    for line in told:
        if line == "...":
            return []
        if not real or real[0] != line:
            return [f"{line!r}, really {real[0] if real else 'the end'!r}"]
        real.pop(0)
    return [f"more is printed: {line}" for line in real[:1]]


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
