"""What an axis does to a request: JSON goes in, changed JSON comes out, and neither is written
into.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.errors import FieldError, InvalidRequest
from app.experiments.schemas import ExperimentDraw, ExperimentPatch
from app.plans.replan import patched

Json = dict[str, Any]
Change = Callable[[Any], Any]

_REMOVED = object()


class Missed(Exception):
    """There is nothing to change where a pointer leads; the message says where it ends."""


def steps_of(pointer: str) -> list[str]:
    """The steps of an RFC 6901 pointer."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def put(body: Json, pointer: str, change: Change) -> Json:
    """The same with what is at a pointer changed. Raises Missed."""
    found: Json = _changed(body, steps_of(pointer), change, "")
    return found


def _changed(node: Any, steps: Sequence[str], change: Change, at: str) -> Any:
    step, rest = steps[0], steps[1:]
    if not isinstance(node, dict | list):
        raise Missed(f"{at or '/'} is {_short(node)}: there is nothing below it")
    if step == "*":
        keys: list[Any] = list(range(len(node))) if isinstance(node, list) else list(node)
        if not keys:
            raise Missed(f"{at or '/'} is empty: * stands for nothing there")
    else:
        keys = [_key(node, step, at, last=not rest)]
    copied: Any = node.copy()
    for key in keys:
        old = copied[key] if isinstance(node, list) else copied.get(key)
        if rest and old is None and at == "" and isinstance(node, dict):
            old = {}  # options that were left out
        new = _changed(old, rest, change, f"{at}/{key}") if rest else change(old)
        if new is not _REMOVED:
            copied[key] = new
        elif isinstance(node, dict):
            copied.pop(key, None)
        else:
            raise Missed(f"{at}/{key} is in a list, out of which nothing is taken")
    return copied


def _key(node: Any, step: str, at: str, *, last: bool) -> Any:
    if isinstance(node, list):
        if not (step.isascii() and step.isdecimal()) or int(step) >= len(node):
            raise Missed(f"{at} has {len(node)} entries and no {step!r}: say 0 to {len(node) - 1}")
        return int(step)
    if step not in node and not last and at:
        raise Missed(f"{at} has no {step!r}")
    return step


def replaced(value: Any) -> Change:
    """Put a value there; null takes the field out."""
    return lambda _: _REMOVED if value is None else value


def scaled(factor: float) -> Change:
    """Multiply what is there. The change raises Missed."""
    return lambda old: factor * _number(old)


def with_users(body: Json, count: int) -> Json:
    """The first so many users, which come again under other ids where there are fewer."""
    users = body.get("users")
    if not isinstance(users, list) or not users:
        raise Missed("/users is no list of users")
    whole = [
        users[n] if n < len(users) else _again(users[n % len(users)], n // len(users) + 1)
        for n in range(count)
    ]
    return body | {"users": whole}


def _again(user: Any, time: int) -> Any:
    return user | {"id": f"{user.get('id')}~{time}"} if isinstance(user, dict) else user


def with_patch(body: Json, patch: ExperimentPatch, max_users: int) -> Json:
    """A merge patch over the view of a request whose users are an object keyed by id.

    Raises InvalidRequest with pointers into the patch, TooManyUsers.
    """
    users = body.get("users")
    if not isinstance(users, list) or not all(isinstance(u, dict) and "id" in u for u in users):
        raise Missed("/users is no list of users with an id each")
    view = body | {"users": {user["id"]: user for user in users}}
    given = patch.patch.get("users", {})
    if not isinstance(given, dict) or not all(
        user is None or isinstance(user, dict) for user in given.values()
    ):
        detail = "must be an object of users keyed by id, each an object or null"
        raise InvalidRequest([FieldError("/users", detail)])
    after = patched(view, patch.patch, max_users)
    return after | {"users": list(after["users"].values())}


def drawn(body: Json, draw: ExperimentDraw, seed: int, number: int) -> Json:
    """What a seed draws, the same whatever else is changed: its number among the draws tells the
    stream of pseudo-random numbers. Raises Missed.
    """
    rng = np.random.default_rng([seed, number])

    def change(old: Any) -> float:
        if draw.law == "uniform":
            assert draw.low is not None
            assert draw.high is not None
            return float(rng.uniform(draw.low, draw.high))
        assert draw.std is not None
        z = float(rng.standard_normal()) * draw.std
        return _number(old) + z if draw.law == "normal" else _number(old) * math.exp(z)

    return put(body, draw.pointer, change)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Missed(f"is {_short(value)} there, and no number to go from")
    return float(value)


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    return repr(value) if len(repr(value)) <= 60 else f"a {type(value).__name__}"
