"""The robust family, as the service knows it."""

from collections.abc import Hashable, Iterable
from typing import Any

from app.plans.columnar import Bulk
from app.plans.family import Family, Prepared, Survey
from app.plans.repairs import Repaired, RepairPrices
from app.plans.resolve import Resolver
from app.plans.robust.answers import RobustInfeasibleUser, RobustPlan, RobustUserResult
from app.plans.robust.schemas import SAMPLED, RobustRequest
from solvers.progress import Progress

_OFFERS = """\
Cut, clock and bandwidth of every user at least energy, each late with probability at most its \
risk.

One cell, or several with `cells`: each has its own uplink, and nothing else couples them.

The answer is proven: `certificate` holds a lower bound on every possible plan, and every \
constraint was checked
again by code that shares no formula with the solver. A cell without a plan is answered as \
`infeasible`, with what
would make it feasible."""


def _prepare(request: RobustRequest, resolver: Resolver) -> Prepared:
    from app.plans.robust.run import prepare

    return prepare(request, resolver)


def _prepare_bulk(bulk: Bulk, resolver: Resolver) -> Prepared:
    from app.plans.robust.run import prepare_columns

    return prepare_columns(bulk, resolver)


def _repairs(prepared: Any, prices: RepairPrices, progress: Progress) -> Iterable[Repaired]:
    from app.plans.robust.repairs import repaired

    return repaired(prepared, prices, progress)


def _decision(entry: dict[str, Any]) -> Hashable:
    from app.plans.robust.present import decided

    return decided(entry)


def _survey() -> Survey:
    from app.plans.robust.survey import RobustSurvey

    return RobustSurvey()


ROBUST = Family(
    kind="robust",
    summary="Cut, clock and bandwidth under uncertain inference time",
    description=_OFFERS,
    request=RobustRequest,
    plan=RobustPlan,
    users=(RobustUserResult, RobustInfeasibleUser),
    prepare=_prepare,
    decision=_decision,
    carries=(
        "cell",
        "cut",
        "cut_name",
        "model",
        "partition_id",
        "codec",
        "server",
        "tier",
        "frequency_hz",
        "bandwidth_hz",
        "deadline_s",
        "valid_gain_db",
        "fallback_cut",
    ),
    decided=("cut", "codec", "server", "tier"),
    rests_on_samples=lambda options: options["margin"] in (*SAMPLED, "unimodal"),
    prepare_bulk=_prepare_bulk,
    survey=_survey,
    repairs=_repairs,
)
