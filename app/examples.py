"""Examples of what is asked and answered, recorded from a service by `make examples`."""

from pathlib import Path
from typing import Any

import orjson

FILE = Path(__file__).with_name("examples.json")
REFERENCE = "#/components/examples/"


def add(document: dict[str, Any]) -> None:
    """Have an OpenAPI document show what was recorded.

    Keys are `operation request media-type`, `operation status media-type` and `problem slug`.
    """
    operations = {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }
    problems = {}
    for key, value in orjson.loads(FILE.read_bytes()).items():
        match key.split():
            case ["problem", slug]:
                problems[slug] = {"value": value}
            case [operation, part, media_type]:
                bodies = _bodies(operations.get(operation, {}), part)
                if media_type in bodies:
                    bodies[media_type]["example"] = value
    used: dict[str, Any] = {}
    for operation in operations.values():
        for answer in operation["responses"].values():
            for body in answer.get("content", {}).values():
                used |= _kept(body, problems)
    document["components"]["examples"] = used


def _bodies(operation: dict[str, Any], part: str) -> dict[str, Any]:
    told = (
        operation.get("requestBody")
        if part == "request"
        else operation.get("responses", {}).get(part)
    )
    return dict((told or {}).get("content", {}))


def _kept(body: dict[str, Any], recorded: dict[str, Any]) -> dict[str, Any]:
    """Of the examples that a body refers to, those that there are; the others are dropped."""
    told = body.pop("examples", {})
    if kept := {name: recorded[name] for name in told if name in recorded}:
        body["examples"] = {name: told[name] for name in kept}
    return kept
