"""The door of the stopping family: parse, call, return."""

from fastapi import APIRouter, Request, Response

from app.http.bodies import StrictRoute
from app.plans.planning import DOOR, DryRun, planned
from app.plans.stopping.run import prepare
from app.plans.stopping.schemas import StoppingPlan, StoppingRequest

router = APIRouter(prefix="/v1/plans", tags=["Plans"], route_class=StrictRoute)


@router.post(
    "/stopping", summary="Layers to place, and thresholds to decide the cut by", response_model=StoppingPlan, **DOOR
)
def plan_stopping(request: Request, body: StoppingRequest, dry_run: DryRun = False) -> Response:
    """Which layers to place on each device, and the table by which it decides when to offload, at least expected cost.

    A device runs layer after layer, sees the channel after each, and offloads, computes on or waits as its table says.
    Every placement was compared by backward induction, and tables and costs were evaluated again by code that shares
    nothing with the solver.
    """
    return planned(request, prepare, body, dry_run=dry_run)
