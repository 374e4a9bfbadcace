"""Repairs of stored plans, looked for on demand: the plan stays as it is."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from app.db import Database
from app.errors import FieldError, InvalidRequest, PlanNotInfeasible, escaped
from app.nearest import is_it, nearest
from app.plans import service, stored
from app.plans.families import FAMILIES
from app.plans.family import Family, Prepared
from app.plans.library import StoredLibrary
from app.plans.repairs import Repaired, RepairPrices, RepairsRequest
from app.plans.resolve import Resolver
from app.plans.tables import PlanRow
from solvers.progress import Progress

Json = dict[str, Any]

_LISTED, _COMPARED = 100, 10_000
# Each kind of change with the prices that put it up for sale.
_SOLD_BY = {
    "drop": ("drop", "users"),
    "deadline": ("deadline_per_s",),
    "risk": ("risk",),
    "bandwidth": ("bandwidth_per_hz",),
    "server": ("server_per_flop_per_s", "server_per_inference"),
}


def repaired(database: Database, plan_id: str, asked: RepairsRequest) -> Json:
    """Repairs of an infeasible plan at some prices, each planned and checked.

    No transaction is open while they are looked for. Raises PlanNotFound, PlanNotEnded,
    PlanNotInfeasible, RevisionsUnknown and InvalidRequest.
    """
    with database.reading() as session:
        row = service.find(session, plan_id)
        family = FAMILIES[row.kind]
        _require_infeasible(row, family)
        prepared, body = _prepared(session, row, family)
    _require_prices(asked.prices, prepared)
    assert family.repairs is not None
    progress = Progress(time_limit_s=asked.time_limit_s)
    found = sorted(family.repairs(prepared, asked.prices, progress), key=lambda one: one.cost)
    return {
        "plan": plan_id,
        "repairs": [one.told(body) for one in found],
        "without": list(_without(asked.prices, found, progress)),
    }


def _require_infeasible(row: PlanRow, family: Family) -> None:
    service.require_ended(row.id, row.status)
    if row.status != "infeasible" or family.repairs is None:
        raise PlanNotInfeasible(
            f"The plan {row.id!r} is {row.status}: there is nothing to repair. To plan it with"
            " changes, POST a patch to its /replan."
        )
    if row.max_switches is not None:
        raise PlanNotInfeasible(
            f"The plan {row.id!r} is held to an earlier one: POST to that one's /replan with more"
            " max_switches, or without."
        )


def _prepared(session: Session, row: PlanRow, family: Family) -> tuple[Prepared, Json]:
    """The request of a plan, ready to be solved again, and its body. Raises
    RevisionsUnknown.
    """
    pins, asked = stored.known_pins(row), stored.request_of(session, row)
    return asked.prepared(family, Resolver(StoredLibrary(session), pins=pins)), asked.body


def _require_prices(prices: RepairPrices, prepared: Prepared) -> None:
    """Raises InvalidRequest where nothing has a price, or somebody nobody knows."""
    given = prices.model_dump(exclude_none=True)
    if not given or given == {"users": {}}:
        detail = "say what at least one kind of change costs: nothing without a price is changed"
        raise InvalidRequest([FieldError("/prices", detail)])
    known = set(prepared.ids)
    unknown = [user for user in prices.users or () if user not in known][:_LISTED]
    if unknown:
        some = list(prepared.ids)[:_COMPARED]
        raise InvalidRequest(
            [
                FieldError(
                    f"/prices/users/{escaped(user)}",
                    f"the plan has no such user{is_it(nearest(user, some))}",
                )
                for user in unknown
            ]
        )


def _without(prices: RepairPrices, found: list[Repaired], progress: Progress) -> Iterator[Json]:
    """What has a price and was not found."""
    kinds = {one.kind for one in found}
    late = progress.over()
    for kind, names in _SOLD_BY.items():
        sold = any(getattr(prices, name) is not None for name in names)
        if sold and kind not in kinds:
            detail = (
                "none was found in time: raise time_limit_s"
                if late
                else "no change of this kind alone gives the request a plan"
            )
            yield {"kind": kind, "detail": detail}
