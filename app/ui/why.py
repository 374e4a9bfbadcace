"""Why a user has its cut: every cut at the prices of what is shared, and what would make it win."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.errors import NothingToExplain, RevisionsUnknown
from app.explanations import service as explanations
from app.plans import service
from app.plans.heads import Head
from app.ui import bodies
from app.ui.columns import Column, in_unit
from app.ui.rendering import page
from app.ui.tables import BINDINGS, CUT, CUT_NAME, Table, table, words
from app.ui.told import Json
from app.ui.words import NOTHING

_AT_ONCE = 50
"""Users of a plan whose cuts are explained where they are shown: of larger ones that takes a while,
and has a page of its own."""


@dataclass(frozen=True, slots=True)
class Why:
    """An explanation."""

    sentences: Sequence[str]
    cuts: Table
    told: Sequence[str]
    """Each cut in words."""


def at_once(session: Session, plan: Head, user_id: str) -> Why | None:
    """Why, of plans of which that is known soon; None of others, and where there is nothing to
    explain.
    """
    if plan.users > _AT_ONCE or not can_tell(plan):
        return None
    try:
        return _why(explanations.explained(session, plan.id, user_id))
    except (NothingToExplain, RevisionsUnknown):
        return None


def can_tell(plan: Head) -> bool:
    """Whether its users have cuts to explain: tables are their own explanation."""
    return plan.has_result and plan.kind != "adaptive"


def show(session: Session, request: Request, plan_id: str, user_id: str) -> Response:
    """The page of an explanation.

    Raises PlanNotFound, PlanNotEnded, PlanUserNotFound, RevisionsUnknown, NothingToExplain.
    """
    plan = service.head(session, plan_id)
    why = _why(explanations.explained(session, plan_id, user_id))
    return page(request.scope, "why_page.html", plan=plan, user_id=user_id, why=why)


def _why(told: Json) -> Why:
    unit = "" if told["unit"] == "cost" else told["unit"]
    shown = _columns(unit)
    cuts = table("Why this cut", "", shown, told["cuts"], [cut["chosen"] for cut in told["cuts"]])
    return Why(told["summary"], cuts, [cut["sentence"] for cut in told["cuts"]])


def _columns(unit: str) -> Sequence[Column]:
    return (
        CUT,
        CUT_NAME,
        Column("Costs at the prices", "price_cost", in_unit(unit)),
        Column("More than the best other", "dearer_by", in_unit(unit)),
        Column("Stopped by", "binding", words(BINDINGS), is_number=False),
        Column("Short by", "short_by_s", in_unit("s")),
        Column("Uplink at its price", "bandwidth_hz", in_unit("Hz")),
        Column("Would win at", "wins_if", _wins, is_number=False),
    )


def _wins(thresholds: Sequence[Json] | None) -> str:
    found = [
        f"{bodies.name_of(each['quantity']).lower()}"
        f" {bodies.text_of(each['quantity'], each['wins_at'])}"
        f" (now {bodies.text_of(each['quantity'], each['now'])})"
        for each in thresholds or ()
    ]
    return "; ".join(found) or NOTHING
