"""The stopping family, as the service knows it."""

from collections.abc import Iterable
from typing import Any

from app.plans.family import Family, Prepared, Survey
from app.plans.repairs import Repaired, RepairPrices
from app.plans.resolve import Resolver
from app.plans.stopping.answers import StoppingInfeasibleUser, StoppingPlan, StoppingUserResult
from app.plans.stopping.schemas import StoppingRequest
from app.plans.surveys import OneByOne
from solvers.progress import Progress

_OFFERS = """\
Which layers to place on each device, and the table by which it decides when to offload, at \
least expected cost.

A device runs layer after layer, sees the channel after each, and offloads, computes on or \
waits as its table says.
Every placement was compared by backward induction, and tables and costs were evaluated again \
by code that shares
nothing with the solver."""


def _prepare(request: StoppingRequest, resolver: Resolver) -> Prepared:
    from app.plans.stopping.run import prepare

    return prepare(request, resolver)


def _survey() -> Survey:
    from app.plans.stopping.survey import outline

    return OneByOne(outline)


def _repairs(prepared: Any, prices: RepairPrices, progress: Progress) -> Iterable[Repaired]:
    from app.plans.stopping.repairs import repaired

    return repaired(prepared, prices, progress)


STOPPING = Family(
    kind="stopping",
    summary="Layers to place, and thresholds to decide the cut by",
    description=_OFFERS,
    request=StoppingRequest,
    plan=StoppingPlan,
    users=(StoppingUserResult, StoppingInfeasibleUser),
    prepare=_prepare,
    decision=lambda entry: entry["placement"],
    carries=(
        "placement",
        "cut_name",
        "model",
        "partition_id",
        "frequency_hz",
        "table",
    ),
    decided=("placement",),
    survey=_survey,
    repairs=_repairs,
)
