"""The page of one plan: in words, what is proven, what it is made of, and its users."""

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.evidence import standing
from app.plans import service
from app.plans.schemas import ENDED
from app.ui import bars, drawings, obstacles, summaries, users
from app.ui.rendering import page
from app.ui.told import Summary
from app.ui.users import Wish

_MOST_CUTS = 12
_MOST_DRAWN = 20_000
"""Users of a plan whose figures are drawn without being asked for."""
_ABSENT = {"revoked": None, "failure": None, "warnings": (), "parent": None}
"""What is not said of a plan that has none."""


def show(session: Session, request: Request, plan_id: str, wish: Wish) -> Response:
    """A plan. Raises PlanNotFound."""
    head = service.head(session, plan_id)
    plan = service.read_heading(session, plan_id)
    why = plan.get("infeasible")
    told = plan["result"] is not None or why is not None
    return page(
        request.scope,
        "plan.html",
        plan=_ABSENT | plan,
        ended=plan["status"] in ENDED,
        summary=Summary() if plan["result"] is None else summaries.of(plan),
        obstacles=None if why is None else obstacles.of(plan),
        most_cuts=_MOST_CUTS,
        most_drawn=_MOST_DRAWN,
        table=users.table(session, head, wish) if told else None,
        times=bars.TIMES,
        standing=standing.of(session, head),
        figures=drawings.of_plan(session, plan_id),
    )
