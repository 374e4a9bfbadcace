"""A stored request, or the part of it that bears on one user, prepared again on its revisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.arrow import pa, pc
from app.errors import InvalidRequest, NothingToExplain
from app.plans import requested, stored, wanted
from app.plans.families import FAMILIES
from app.plans.family import Prepared
from app.plans.library import StoredLibrary
from app.plans.pins import Pins
from app.plans.resolve import Resolver
from app.plans.tables import PlanRow

Json = dict[str, Any]

# Cells of more users are not laid out for one answer.
WHOLE = 20_000
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class AskedOf:
    """One user of a plan, as it was asked and told."""

    row: PlanRow
    user: Json
    told: Json
    result: Json
    prepared: Prepared
    """Of the users of its cell, or of this one alone where these are many."""
    position: int
    """Among the users that are prepared."""
    whole: bool
    """Whether these are the whole cell."""


def asked_of(session: Session, row: PlanRow, user_id: str) -> AskedOf:
    """A user of an ended plan. Raises NothingToExplain, RevisionsUnknown, PlanUserNotFound."""
    result = stored.answer_of(row).result
    if result is None:
        raise NothingToExplain(
            f"The plan {row.id!r} is {row.status}: it has no result, so nobody has a cut."
        )
    pins = stored.known_pins(row)
    told = stored.user_of(session, row, user_id)
    user = requested.users_named(session, row.number, [user_id])[user_id]
    cell = user.get("cell")
    count = next(
        (each["users_count"] for each in result.get("cells") or () if each["id"] == cell), row.users
    )
    # Users of a stopping plan share nothing.
    whole = count <= WHOLE and row.kind != "stopping"
    part = _part(session, row, user_id, cell, whole=whole)
    ids = part["id"].to_pylist() if isinstance(part, pa.Table) else [each["id"] for each in part]
    prepared = _prepared(session, row, part, pins)
    return AskedOf(row, user, told, result, prepared, ids.index(user_id), whole)


def _part(
    session: Session, row: PlanRow, user_id: str, cell: str | None, *, whole: bool
) -> list[Json] | pa.Table:
    """The users of a cell, or one of them, as they came."""
    field, value = ("cell", cell) if whole else ("id", user_id)
    parts = list(_matching(session, row, field, value))
    if isinstance(parts[0], pa.Table):
        return pa.concat_tables(parts)
    return [user for part in parts for user in part]


def _matching(
    session: Session, row: PlanRow, field: str, value: str | None
) -> Iterator[list[Json] | pa.Table]:
    for start in range(0, row.users, _BLOCK):
        part = stored.users_asked(session, row, start, _BLOCK)
        if isinstance(part, list):
            yield [user for user in part if user.get(field) == value]
        elif value is None:
            yield part
        else:
            some = part.filter(pc.equal(part[field], value))
            if len(some) or not start:
                yield some


def _prepared(session: Session, row: PlanRow, part: list[Json] | pa.Table, pins: Pins) -> Prepared:
    terms, listed = stored.terms_of(row), isinstance(part, list)
    asked = stored.Asked(terms | {"users": part}, None) if listed else stored.Asked(terms, part)
    library = StoredLibrary(session)
    library.expect(wanted.pinned(pins))
    try:
        return asked.prepared(FAMILIES[row.kind], Resolver(library, pins=pins))
    except (InvalidRequest, ValueError) as refused:
        raise NothingToExplain(
            f"The request of the plan {row.id!r} is not accepted any more: {refused}"
        ) from None
