"""Which figures stand on a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from app.figures import plans

# Users at each cut are a table already.
_TOLD_OTHERWISE = {"cuts"}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure by its name, and what its address says beside the size."""

    name: str
    title: str
    more: str = ""


def of_plan(session: Session, plan_id: str) -> Sequence[Drawing]:
    """The figures of all users of a plan, or of its progress. Raises PlanNotFound."""
    return [
        Drawing(each.name, each.title)
        for each in plans.listed(session, plan_id).values()
        if not each.takes_user and each.name not in _TOLD_OTHERWISE
    ]


def of_user(session: Session, plan_id: str, user_id: str) -> Sequence[Drawing]:
    """The figures of one user of a plan. Raises PlanNotFound."""
    more = f"&{urlencode({'user': user_id})}"
    return [
        Drawing(each.name, each.title, more)
        for each in plans.listed(session, plan_id).values()
        if each.takes_user
    ]
