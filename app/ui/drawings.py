"""Which figures stand on a page, and the drawings of profiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from app.errors import FigureNotFound
from app.figures import plans, profiles
from app.figures.description import Figure
from app.profiles.schemas.device import Device
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.timing import Timing

# Users at each cut are a table already.
_TOLD_OTHERWISE = {"cuts"}
_DRAWN: dict[str, type[Profile]] = {kind.collection: kind for kind in (Timing, Device)}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: where it is below the pages' root, and what its address says beside the size."""

    at: str
    title: str
    more: str = ""


def of_plan(session: Session, plan_id: str) -> Sequence[Drawing]:
    """The figures of all users of a plan, or of its progress. Raises PlanNotFound."""
    return [
        Drawing(f"plans/{plan_id}/figures/{each.name}.svg", each.title)
        for each in plans.listed(session, plan_id).values()
        if not each.takes_user and each.name not in _TOLD_OTHERWISE
    ]


def of_user(session: Session, plan_id: str, user_id: str) -> Sequence[Drawing]:
    """The figures of one user of a plan. Raises PlanNotFound."""
    more = f"&{urlencode({'user': user_id})}"
    return [
        Drawing(f"plans/{plan_id}/figures/{each.name}.svg", each.title, more)
        for each in plans.listed(session, plan_id).values()
        if each.takes_user
    ]


def of_profile(
    session: Session, collection: str, name: str, revision: int | None
) -> Sequence[Drawing]:
    """The figures of a profile; none of kinds that have none."""
    kind = _DRAWN.get(collection)
    if kind is None:
        return []
    more = "" if revision is None else f"&revision={revision}"
    return [
        Drawing(f"profiles/{collection}/{name}/figures/{figure}.svg", title, more)
        for figure, title, _ in profiles.listed(session, kind, name, revision)
    ]


def profile_figure(
    session: Session, collection: str, name: str, revision: int | None, wanted: str
) -> Figure:
    """A figure of a profile. Raises ProfileNotFound, RevisionNotFound, FigureNotFound."""
    kind = _DRAWN.get(collection)
    if kind is None:
        raise FigureNotFound(f"{collection} {name!r}", wanted, ())
    return profiles.figure(session, kind, name, revision, wanted)
