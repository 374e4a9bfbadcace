"""From what was sent to an experiment that can be worked on: base, grid, revisions, blocks."""

import itertools
import math
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app import news
from app.db import Database
from app.errors import FieldError, InvalidRequest, PlanNotFound, TooManyUsers
from app.experiments.changes import Json
from app.experiments.findings import measures_of
from app.experiments.grid import Axis, Grid
from app.experiments.preparing import Preparing
from app.experiments.schemas import ExperimentRequest
from app.experiments.tables import ExperimentBlockRow, ExperimentRow
from app.field_errors import validated
from app.limits import Limits
from app.plans import durable, service, stored
from app.plans.durable import Room
from app.plans.families import FAMILIES
from app.plans.family import Family, Prepared
from app.plans.orders import Key
from app.plans.pins import Pins
from app.telemetry.origin import Origin

# A worker that dies loses about so much work, by estimates that are generous, and no more than so
# many points.
_BLOCK_S, _BLOCK_POINTS = 30.0, 250
# Combinations of what names profiles are all resolved before an experiment is accepted.
_MOST_NAMINGS = 100


@dataclass(frozen=True, slots=True)
class Experimentable:
    """An experiment that was looked through, and is not stored yet."""

    asked: ExperimentRequest
    body: Json
    family: Family
    grid: Grid
    revisions: Pins
    point_s: float
    """About what a point takes."""

    @property
    def seconds(self) -> float:
        """About what all points take."""
        return self.point_s * self.grid.points


def looked_through(
    database: Database, asked: ExperimentRequest, body: Json, limits: Limits, most_points: int
) -> Experimentable:
    """What an experiment will be made of.

    Raises InvalidRequest with pointers into its request, RevisionsUnknown, TooManyUsers.
    """
    family, base, pins = _base(database, asked, limits)
    grid = Grid(asked, family, base, limits.max_users)
    _require_few(grid, most_points)
    measures_of(asked.measures, grid)
    preparing = Preparing(database, family, pins)
    prepared = _base_prepared(preparing, base, asked)
    _try_values(family, grid)
    _resolve_all(preparing, grid)
    return Experimentable(asked, body, family, grid, pins, prepared.size()[1])


def _base(
    database: Database, asked: ExperimentRequest, limits: Limits
) -> tuple[Family, Json, Pins]:
    """The family, the request and the revisions that an experiment goes from."""
    if asked.base.plan is None:
        assert asked.base.kind is not None
        assert asked.base.request is not None
        users = asked.base.request.get("users")
        if isinstance(users, list) and len(users) > limits.max_users:
            raise TooManyUsers(len(users), limits.max_users)
        return FAMILIES[asked.base.kind], dict(asked.base.request), Pins()
    with database.reading() as session:
        try:
            row = service.find(session, asked.base.plan)
        except PlanNotFound as nothing:
            raise InvalidRequest([FieldError("/base/plan", nothing.detail)]) from None
        pins = stored.known_pins(row)
        if row.users > limits.max_users:
            raise TooManyUsers(row.users, limits.max_users)
        request = stored.request_of(session, row)
        body = request.body | {"users": request.users}
    return FAMILIES[row.kind], _of_its_own(body), pins


def _of_its_own(body: Json) -> Json:
    """A request without what concerns the plan alone that was made of it."""
    return {k: v for k, v in body.items() if k not in ("name", "supersedes", "webhook_url")}


def _require_few(grid: Grid, most: int) -> None:
    if grid.points > most:
        sides = " x ".join(str(count) for count in grid.shape)
        detail = (
            f"{sides} = {grid.points} points are more than the {most} that an experiment may have"
            " (max_experiment_points): take fewer values, or several experiments"
        )
        raise InvalidRequest([FieldError("/axes", detail)])


def _base_prepared(preparing: Preparing, base: Json, asked: ExperimentRequest) -> Prepared:
    at = "/base/request" if asked.base.plan is None else "/base/plan"
    try:
        return preparing(base)
    except InvalidRequest as refused:
        raise InvalidRequest([fault.below(at) for fault in refused.errors]) from None


def _try_values(family: Family, grid: Grid) -> None:
    """Refuse values that no point can have, each looked at by itself: of numbers the least and the
    largest. Raises InvalidRequest.
    """
    faults: list[FieldError] = []
    for n, side in enumerate(grid.sides):
        for place in _telling(side):
            try:
                validated(family.request, grid.with_values({n: place}))
            except InvalidRequest as refused:
                faults += [
                    each
                    if each.pointer.startswith(("/axes", "/draws"))
                    else FieldError(side.where(place), f"{each.pointer or '/'} {each.detail}")
                    for each in refused.errors
                ]
                break  # the others fail alike
    if faults:
        raise InvalidRequest(faults)


def _telling(side: Axis) -> list[int]:
    if not side.numbers or side.each in ("patches", "traces"):
        return list(range(len(side.told)))
    order = sorted(range(len(side.told)), key=lambda n: side.told[n])
    return list(dict.fromkeys([order[0], order[-1]]))


def _resolve_all(preparing: Preparing, grid: Grid) -> None:
    """Pin the revisions of whatever the points name. Raises InvalidRequest."""
    naming = [n for n, side in enumerate(grid.sides) if not side.numbers]
    sides = [range(grid.shape[n]) for n in naming]
    if math.prod(map(len, sides)) > _MOST_NAMINGS:
        detail = (
            f"patches, traces and values that are no numbers have {math.prod(map(len, sides))}"
            f" combinations, at most {_MOST_NAMINGS}: take fewer, or several experiments"
        )
        raise InvalidRequest([FieldError("/axes", detail)])
    for places in itertools.product(*sides) if naming else ():
        chosen = dict(zip(naming, places, strict=True))
        try:
            preparing(grid.with_values(chosen))
        except InvalidRequest as refused:
            if len(naming) > 1:
                continue  # each may do with others: the point will say why it does not
            at = grid.sides[naming[0]].where(places[0])
            raise InvalidRequest(
                [FieldError(at, f"{each.pointer or '/'} {each.detail}") for each in refused.errors]
            ) from None


def accept(database: Database, ready: Experimentable, key: Key | None, room: Room) -> ExperimentRow:
    """Store an experiment whose points are still to be planned.

    Raises QueueFull, TooManyAtOnce, IntegrityError where the key is taken.
    """
    origin = Origin.at_hand()
    row = ExperimentRow(
        **_queued(uuid.uuid4().hex, origin),
        kind=ready.family.kind,
        name=ready.asked.name,
        points=ready.grid.points,
        event=0,
        asked=ready.body,
        request=ready.grid.base,
        revisions=ready.revisions.kept,
        idempotency=key and key.scope,
        idempotency_body=key and key.body,
    )
    with database.writing() as session:
        durable.require_room(session, ExperimentRow, room)
        session.add(row)
        session.flush()
        session.add_all(_blocks(row, ready, origin))
        news.tell(session, "experiment")
        durable.require_still_room(session, ExperimentRow, room)
    return row


def _queued(work_id: str, origin: Origin) -> dict[str, Any]:
    return {
        "id": work_id,
        "status": "queued",
        "created_at": datetime.now(UTC),
        "attempt": 0,
        "deaths": 0,
        "request_id": origin.request_id,
        "traceparent": origin.traceparent,
    }


def _blocks(
    row: ExperimentRow, ready: Experimentable, origin: Origin
) -> Iterator[ExperimentBlockRow]:
    at_a_time = _points_of_a_block(ready)
    for block, first in enumerate(range(0, row.points, at_a_time)):
        # Whose it is, is seen in the log.
        yield ExperimentBlockRow(
            **_queued(f"{row.id[:24]}{block:08d}", origin),
            experiment_number=row.number,
            block=block,
            first=first,
            points=min(at_a_time, row.points - first),
            done=0,
        )


def _points_of_a_block(ready: Experimentable) -> int:
    """Whole rows of the grid where they are short, since points of a row have most in common."""
    most = max(1, min(_BLOCK_POINTS, int(_BLOCK_S / max(ready.point_s, 1e-3))))
    row = ready.grid.shape[-1]
    if row <= most:
        return most // row * row
    return math.ceil(row / math.ceil(row / most))


def grid_of(row: ExperimentRow) -> Grid:
    """The grid of a stored experiment."""
    asked = ExperimentRequest.model_validate(row.asked)
    # Its users were few enough when it was accepted.
    return Grid(asked, FAMILIES[row.kind], row.request, max_users=2**31)
