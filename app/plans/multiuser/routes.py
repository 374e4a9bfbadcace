"""The doors of the multi-user family: parse, call, return."""

from fastapi import APIRouter, Request, Response

from app.http.bodies import StrictRoute
from app.plans.multiuser.run import prepare, prepare_tables
from app.plans.multiuser.schemas import AdaptivePlan, AdaptiveRequest, MultiUserPlan, MultiUserRequest
from app.plans.planning import DOOR, DryRun, planned

router = APIRouter(prefix="/v1/plans", tags=["Plans"], route_class=StrictRoute)


@router.post(
    "/multi-user",
    summary="Shares of uplink and server, cuts and bits, for many users",
    response_model=MultiUserPlan,
    **DOOR,
)
def plan_multi_user(request: Request, body: MultiUserRequest, dry_run: DryRun = False) -> Response:
    """Cut, bits and shares of one uplink and one server for every user, at least weighted latency and loss.

    `exact` proves its answer: `certificate` holds a lower bound on every possible plan, and every constraint was
    checked again by code that shares nothing with the solver. Every user carries a table that says what to do when its
    rate moves. A cell without a plan is answered as `infeasible`, with who or what is short.
    """
    return planned(request, prepare, body, dry_run=dry_run)


@router.post("/adaptive", summary="Decision tables over the rate of the uplink", response_model=AdaptivePlan, **DOOR)
def plan_adaptive(request: Request, body: AdaptiveRequest, dry_run: DryRun = False) -> Response:
    """A decision table for every user: the best cut and bits at every rate of its uplink, the server to itself.

    Tables are exact and checked row by row. A row without a cut says that nothing keeps the limits at its rates.
    """
    return planned(request, prepare_tables, body, dry_run=dry_run)
