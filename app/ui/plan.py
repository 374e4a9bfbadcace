"""The page of one plan: in words, what is proven, and what it is made of."""

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.plans import service
from app.plans.schemas import ENDED
from app.ui import summaries
from app.ui.rendering import page
from app.ui.told import Summary

_MOST_CUTS = 12


def show(session: Session, request: Request, plan_id: str) -> Response:
    """A plan. Raises PlanNotFound."""
    plan = service.read_heading(session, plan_id)
    return page(
        request.scope,
        "plan.html",
        plan=plan,
        ended=plan["status"] in ENDED,
        summary=Summary() if plan["result"] is None else summaries.of(plan),
        most_cuts=_MOST_CUTS,
    )
