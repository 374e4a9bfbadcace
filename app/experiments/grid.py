"""The grid of an experiment: which point has which values, and the request that these make."""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from app.errors import FieldError, InvalidRequest
from app.experiments.changes import (
    Json,
    Missed,
    drawn,
    put,
    replaced,
    scaled,
    steps_of,
    with_patch,
    with_users,
)
from app.experiments.schemas import ExperimentAxis, ExperimentRequest
from app.field_names import known_fields
from app.plans.family import Family
from app.quantities import NAME_PATTERN

# Whatever their order in the request: a pointer leads into what patches made, and `*` to all users.
Rank = Literal[0, 1, 2, 3]
Told = float | str


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of the grid."""

    name: str
    pointer: str | None
    told: tuple[Told, ...]
    """Its values as points say them."""
    changes: tuple[Callable[[Json], Json], ...]
    """What each of them does to a request. Raise Missed, InvalidRequest."""
    at: str
    """Its pointer in the request for the experiment."""
    each: str | None
    """The pointer of its values there, which end with their number; None: it has a range."""
    rank: Rank

    @property
    def numbers(self) -> bool:
        """Whether its values are numbers."""
        return all(isinstance(value, float) for value in self.told)

    def where(self, n: int) -> str:
        """The pointer of a value in the request for the experiment."""
        return self.at if self.each is None else f"{self.at}/{self.each}/{n}"


class Grid:
    """All points; the last axis goes first, and seeds go before all axes."""

    def __init__(
        self, asked: ExperimentRequest, family: Family, base: Json, max_users: int
    ) -> None:
        """`base` is the request that is changed. Raises InvalidRequest."""
        self.asked = asked
        self.base = base
        self.seeds = asked.seeds
        self.axes = _named([_axis(n, axis, max_users) for n, axis in enumerate(asked.axes)])
        seeded = () if self.seeds is None else (_seeds(asked, self.seeds, family),)
        self.sides: tuple[Axis, ...] = (*seeded, *self.axes)
        """The seeds, where there are any, and the axes."""
        self.shape = tuple(len(side.told) for side in self.sides)
        self.points = math.prod(self.shape)
        self._latest: dict[int, tuple[tuple[tuple[int, int], ...], Json]] = {}

    def places(self, index: int) -> tuple[int, ...]:
        """Which value of each side a point has."""
        return tuple(int(k) for k in np.unravel_index(index, self.shape))

    def parameters(self, index: int) -> dict[str, Told]:
        """The values of a point, by axis."""
        sides = zip(self.sides, self.places(index), strict=True)
        return {side.name: side.told[k] for side, k in sides if side.rank != _OF_SEEDS}

    def seed(self, index: int) -> int | None:
        """The seed of a point."""
        return None if self.seeds is None else self.seeds[self.places(index)[0]]

    def body(self, index: int) -> Json:
        """The request of a point.

        Raises InvalidRequest with pointers into the request for the experiment.
        """
        return self.with_values(dict(enumerate(self.places(index))))

    def with_values(self, chosen: dict[int, int]) -> Json:
        """The base with some values, by side and place; otherwise as `body`."""
        order = sorted(chosen.items(), key=lambda one: self.sides[one[0]].rank)
        body = self.base
        for done in range(len(order)):
            so_far = tuple(order[: done + 1])
            # All but the last is mostly what it was for the point before.
            known = self._latest.get(done)
            if known is None or known[0] != so_far:
                known = self._latest[done] = so_far, self._changed(body, *order[done])
            body = known[1]
        return body

    def _changed(self, body: Json, n: int, place: int) -> Json:
        side = self.sides[n]
        change: Callable[[Json], Json] = side.changes[place]
        try:
            return change(body)
        except Missed as missed:
            raise InvalidRequest([FieldError(side.where(place), str(missed))]) from None
        except InvalidRequest as refused:
            at = side.where(place)
            raise InvalidRequest([fault.below(at) for fault in refused.errors]) from None


_OF_SEEDS: Rank = 3


def _axis(n: int, axis: ExperimentAxis, max_users: int) -> Axis:
    at = f"/axes/{n}"
    if axis.patches is not None:
        told: tuple[Told, ...] = tuple(patch.name for patch in axis.patches)
        patches = tuple(
            partial(with_patch, patch=patch, max_users=max_users) for patch in axis.patches
        )
        return Axis(axis.name or "patch", None, told, patches, at, "patches", 0)
    if axis.traces is not None:
        channels = tuple(partial(_put, pointer="/channel", value=trace) for trace in axis.traces)
        told = tuple(_text(trace) for trace in axis.traces)
        return Axis(axis.name or "channel", "/channel", told, channels, at, "traces", 0)
    if axis.users_count is not None:
        counts = tuple(partial(_users, count=count, most=max_users) for count in axis.users_count)
        told = tuple(float(count) for count in axis.users_count)
        return Axis(axis.name or "users_count", None, told, counts, at, "users_count", 1)
    assert axis.pointer is not None
    values = _range(axis) if axis.values is None else axis.values
    changes = tuple(partial(_put, pointer=axis.pointer, value=value) for value in values)
    if axis.scale:
        changes = tuple(partial(_scale, pointer=axis.pointer, factor=value) for value in values)
    last = steps_of(axis.pointer)[-1]
    name = axis.name or (last if re.fullmatch(NAME_PATTERN, last) else f"axis-{n}")
    each = None if axis.values is None else "values"
    return Axis(name, axis.pointer, tuple(map(_told, values)), changes, at, each, 2)


def _seeds(asked: ExperimentRequest, seeds: Sequence[int], family: Family) -> Axis:
    draws, has_seed = asked.draws or (), "seed" in known_fields(family.request, ("options",))

    def seeded(body: Json, seed: int) -> Json:
        if has_seed:
            body = put(body, "/options/seed", replaced(seed))
        for n, draw in enumerate(draws):
            try:
                body = drawn(body, draw, seed, n)
            except Missed as missed:
                raise InvalidRequest([FieldError(f"/draws/{n}/pointer", str(missed))]) from None
        return body

    changes = tuple(partial(seeded, seed=seed) for seed in seeds)
    return Axis("seed", None, tuple(map(float, seeds)), changes, "", "seeds", _OF_SEEDS)


def _put(body: Json, pointer: str, value: Any) -> Json:
    return put(body, pointer, replaced(value))


def _scale(body: Json, pointer: str, factor: Any) -> Json:
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        raise Missed("must be a number: the values are factors of what is there")
    return put(body, pointer, scaled(float(factor)))


def _users(body: Json, count: int, most: int) -> Json:
    if count > most:
        raise Missed(f"must be at most {most}, as many users as a request may have")
    return with_users(body, count)


def _range(axis: ExperimentAxis) -> tuple[float, ...]:
    assert axis.start is not None
    assert axis.to is not None
    assert axis.steps is not None
    spaced = np.geomspace if axis.spacing == "log" else np.linspace
    return tuple(spaced(axis.start, axis.to, axis.steps).tolist())


def _told(value: Any) -> Told:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return _text(value)


def _text(value: Any) -> str:
    """A name as it is; of a profile its name; of other JSON the text."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return str(value["name"])
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _named(axes: list[Axis]) -> tuple[Axis, ...]:
    """Refuse two axes of one name, which points could not tell apart. Raises InvalidRequest."""
    faults = [
        FieldError(f"{axis.at}/name", f"another axis is called {axis.name!r} too: name this one")
        for n, axis in enumerate(axes)
        if axis.name in {before.name for before in axes[:n]}
    ]
    if faults:
        raise InvalidRequest(faults)
    return tuple(axes)
