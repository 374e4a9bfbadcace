"""The page of two plans side by side: what differs, for whom, and why."""

from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.comparisons import service
from app.comparisons.difference import CHANGES
from app.figures import plans as figures
from app.http.paging import encode_cursor, number_in
from app.plans import heads
from app.plans import service as plans
from app.plans.heads import Head
from app.plans.schemas import ENDED
from app.ui.bodies import text_of
from app.ui.rendering import page
from app.ui.told import Fact, Json
from app.ui.words import NOTHING, percent, quantity

_SHOWN, _OFFERED, _LONGEST = 50, 100, 120
_MEASURES = (
    ("energy_j", "Energy of an inference of all", "J"),
    ("latency_s", "Mean time", "s"),
    ("cost", "Cost", None),
)
_IN_WORDS = {
    "joined": "joined",
    "left": "left",
    "gained": "gained a plan",
    "lost": "lost their plan",
    "decision": "decide otherwise",
    "amounts": "same cut, other amounts",
}


def show(
    session: Session,
    request: Request,
    ids: tuple[str | None, str | None],
    change: str | None,
    cursor: str | None,
) -> Response:
    """Two plans, or where they are chosen.

    Raises PlanNotFound, PlanNotEnded, PlansNotComparable.
    """
    before, after = ids
    known = None if after is None else plans.head(session, after)
    told: dict[str, Any] = {"before": before, "after": after, "found": None}
    if before is not None and after is not None:
        told |= _compared(session, request, before, after, change, cursor)
    return page(request.scope, "compare.html", offered=_offered(session, known), **told)


def _offered(session: Session, known: Head | None) -> list[Head]:
    """Plans to choose from: ended ones, newest first, of the kind of one that is chosen."""
    kind = None if known is None else known.kind
    found = heads.newest_first(session, _OFFERED, kind=kind)
    return [each for each in found if each.status in ENDED]


def _compared(
    session: Session,
    request: Request,
    before: str,
    after: str,
    change: str | None,
    cursor: str | None,
) -> dict[str, Any]:
    both = service.sides(session, before, after)
    found = service.in_all(*both)
    start = number_in(cursor) or 0
    changes = CHANGES if change is None else (change,)
    users, following = service.page(*both, start, _SHOWN, changes)
    here = request.url.remove_query_params(["cursor"])
    more = None
    if following is not None:
        more = f"?{here.include_query_params(cursor=encode_cursor(following)).query}#users"
    return {
        "found": found,
        "facts": list(_facts(found)),
        "terms": [
            (term["field"], *(_said(term["field"], term[side]) for side in ("before", "after")))
            for term in found["terms"]
        ],
        "users": users,
        "change": change,
        "said_of": _IN_WORDS,
        "changes": [(each, _IN_WORDS[each], found["users_compared"][each]) for each in CHANGES],
        "first": f"?{here.query}#users" if cursor else None,
        "following": more,
        "drawings": _drawings(session, before, after),
    }


def _facts(found: Json) -> list[Fact]:
    """Each measure before and after, and how it changed."""
    facts = []
    for name, label, unit in _MEASURES:
        if (measure := found.get(name)) is None:
            continue
        was, now = measure["before"], measure["after"]
        value = f"{quantity(was, unit)} → {quantity(now, unit)}"
        facts.append(Fact(label, value, _changed(was, now)))
    return facts


def _said(pointer: str, value: Any) -> str:
    """What a request says at a pointer, with its unit."""
    said = text_of(pointer.rpartition("/")[2], value) if not isinstance(value, dict) else str(value)
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _changed(was: float | None, now: float | None) -> str:
    if was is None or now is None or was == 0.0:
        return NOTHING
    change = now / was - 1.0
    if abs(change) < 5e-7:
        return "the same"
    return f"{percent(abs(change))} {'less' if change < 0.0 else 'more'}"


def _drawings(session: Session, before: str, after: str) -> list[tuple[str, str, str]]:
    """Figures that both have, one beside the other: title, and where each is."""
    first, second = figures.listed(session, before), figures.listed(session, after)
    shown = [name for name in ("latency", "energy", "shares") if name in first and name in second]
    return [
        (
            second[name].title,
            f"plans/{before}/figures/{name}.svg",
            f"plans/{after}/figures/{name}.svg",
        )
        for name in shown
    ]
