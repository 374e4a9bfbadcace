"""The door of the robust family: parse, call, return."""

from fastapi import APIRouter, Request, Response

from app.http.bodies import StrictRoute
from app.plans.planning import DOOR, ColumnsBody, ColumnsRoute, DryRun, planned, planned_columns
from app.plans.robust.run import prepare, prepare_columns
from app.plans.robust.schemas import RobustPlan, RobustRequest

router = APIRouter(prefix="/v1/plans", tags=["Plans"], route_class=StrictRoute)


columns = APIRouter(prefix="/v1/plans", route_class=ColumnsRoute, include_in_schema=False)


@columns.post("/robust", status_code=201)
def plan_robust_columns(request: Request, body: ColumnsBody, dry_run: DryRun = False) -> Response:
    """`plan_robust` with its users as columns."""
    return planned_columns(request, prepare_columns, body, dry_run=dry_run)


@router.post(
    "/robust", summary="Cut, clock and bandwidth under uncertain inference time", response_model=RobustPlan, **DOOR
)
def plan_robust(request: Request, body: RobustRequest, dry_run: DryRun = False) -> Response:
    """Cut, clock and bandwidth of every user at least energy, each late with probability at most its risk.

    One cell, or several with `cells`: each has its own uplink, and nothing else couples them.

    The answer is proven: `certificate` holds a lower bound on every possible plan, and every constraint was checked
    again by code that shares nothing with the solver. A cell without a plan is answered as `infeasible`, with what
    would make it feasible.
    """
    return planned(request, prepare, body, dry_run=dry_run)
