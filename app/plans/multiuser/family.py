"""The multi-user family, as the application knows it: joint plans, and tables alone."""

from collections.abc import Iterable
from typing import Any

from app.plans.family import Entries, Family, Prepared, Survey
from app.plans.multiuser.answers import (
    AdaptivePlan,
    AdaptiveUserResult,
    MultiUserInfeasibleUser,
    MultiUserPlan,
    MultiUserUserResult,
)
from app.plans.multiuser.schemas import AdaptiveRequest, MultiUserRequest
from app.plans.repairs import Repaired, RepairPrices
from app.plans.resolve import Resolver
from app.plans.surveys import OneByOne
from solvers.progress import Progress

_PLANS = """\
Cut, bits and shares of one uplink and one server for every user, at least weighted latency and \
loss.

`exact` proves its answer: `certificate` holds a lower bound on every possible plan, and every \
constraint was
checked again by code that shares no formula with the solver. Every user carries a table that says \
what to do when its
rate moves. A cell without a plan is answered as `infeasible`, with who or what is short."""

_TABLES = """\
A decision table for every user: the best cut and bits at every rate of its uplink, the server \
to itself.

Tables are exact and checked row by row. A row without a cut says that nothing keeps the limits \
at its rates."""


def _prepare(request: MultiUserRequest, resolver: Resolver) -> Prepared:
    from app.plans.multiuser.run import prepare

    return prepare(request, resolver)


def _repairs(prepared: Any, prices: RepairPrices, progress: Progress) -> Iterable[Repaired]:
    from app.plans.multiuser.repairs import repaired

    return repaired(prepared, prices, progress)


def _steady(prepared: Any, entries: Entries, freed: int) -> Prepared:
    from app.plans.multiuser.run import steady

    return steady(prepared, entries, freed)


def _prepare_tables(request: AdaptiveRequest, resolver: Resolver) -> Prepared:
    from app.plans.multiuser.run import prepare_tables

    return prepare_tables(request, resolver)


def _survey() -> Survey:
    from app.plans.multiuser.survey import outline

    return OneByOne(outline)


MULTI_USER = Family(
    kind="multi-user",
    summary="Shares of uplink and server, cuts and bits, for many users",
    description=_PLANS,
    request=MultiUserRequest,
    plan=MultiUserPlan,
    users=(MultiUserUserResult, MultiUserInfeasibleUser),
    prepare=_prepare,
    decision=lambda entry: (entry["cut"], entry["bits"], entry.get("codec")),
    carries=(
        "cut",
        "cut_name",
        "model",
        "partition_id",
        "bits",
        "codec",
        "frequency_hz",
        "bandwidth_hz",
        "server_share",
        "server_flop_per_s",
        "deadline_s",
        "table",
    ),
    decided=("cut", "bits", "codec"),
    steady=_steady,
    survey=_survey,
    repairs=_repairs,
)

ADAPTIVE = Family(
    kind="adaptive",
    summary="Decision tables over the rate of the uplink",
    description=_TABLES,
    request=AdaptiveRequest,
    plan=AdaptivePlan,
    users=(AdaptiveUserResult,),
    prepare=_prepare_tables,
    decision=lambda entry: tuple(
        (row["cut"], row["bits"], row.get("codec")) for row in entry["table"]["rows"]
    ),
    carries=("model", "frequency_hz", "hysteresis", "table"),
    decided=("table",),
)
