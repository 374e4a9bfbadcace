"""The figures of a plan: which there are, by what it says of its users, and each as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.db import table_of
from app.errors import FieldError, FigureNotFound, InvalidRequest
from app.figures import cuts, energy, latency, progress, rate_tables, shares, thresholds
from app.figures.columns import columns, rows
from app.figures.description import Figure
from app.figures.marks import MOST_ROWS
from app.figures.progress import Moment
from app.plans import service, stored
from app.plans.heads import Head
from app.plans.schemas import ENDED
from app.plans.stored import Answer
from app.plans.tables import PlanEventRow

_EVENTS = table_of(PlanEventRow).c
_STEPS = (
    select(_EVENTS.created_at, _EVENTS.progress)
    .where(_EVENTS.plan_number == bindparam("number"), ~_EVENTS.progress.is_(None))
    .order_by(_EVENTS.id)
)
_TITLES = {
    "latency": latency.TITLE,
    "energy": energy.TITLE,
    "cuts": cuts.TITLE,
    "shares": shares.TITLE,
    "decisions": "Decisions over rates",
    "progress": progress.TITLE,
}
_UNITS = {"energy_j": "J", "power_w": "W", "cost": None}


@dataclass(frozen=True, slots=True)
class Listed:
    """A figure that a plan has."""

    name: str
    title: str
    takes_user: bool
    drawn: Callable[[str | None], Figure]


def listed(session: Session, plan_id: str) -> dict[str, Listed]:
    """The figures that a plan has, by their names. Raises PlanNotFound."""
    head, answer = service.told(session, plan_id)
    found = _of_users(session, head, answer) if answer.result is not None else {}
    moments = _moments(session, head)
    if any(one.objective == one.objective or one.bound == one.bound for one in moments):
        unit = _unit(answer)
        found["progress"] = lambda _: progress.figure(moments, unit)
    return {
        name: Listed(name, title, name == "decisions", found[name])
        for name, title in _TITLES.items()
        if name in found
    }


def figure(session: Session, plan_id: str, name: str, user: str | None) -> Figure:
    """A figure of a plan. Raises PlanNotFound, PlanNotEnded, FigureNotFound, PlanUserNotFound."""
    known = listed(session, plan_id)
    if name not in known:
        if name in _TITLES and name != "progress":
            service.require_ended(plan_id, service.head(session, plan_id).status)
        raise FigureNotFound(f"plan {plan_id!r}", name, known)
    if user is not None and not known[name].takes_user:
        detail = f"query parameter user: the figure {name!r} is of all users; decisions are of one"
        raise InvalidRequest([FieldError("", detail, parameter="user")])
    return known[name].drawn(user)


def is_final(session: Session, plan_id: str) -> bool:
    """Whether what its figures show can no longer change. Raises PlanNotFound."""
    return service.head(session, plan_id).status in ENDED


def _of_users(
    session: Session, head: Head, answer: Answer
) -> dict[str, Callable[[str | None], Figure]]:
    first = stored.users_of(session, head, 0, 1)
    has = set(_fields(first[0])) if first else set()
    found: dict[str, Callable[[str | None], Figure]] = {}
    for each in (latency, energy, shares):
        if each.exists(has):
            texts = ("id",) if head.users <= MOST_ROWS else ()
            texts = ("device",) if each is energy else texts
            name = each.__name__.rpartition(".")[2]
            found[name] = partial(_drawn, session, head, each, texts)
    if counts := cuts.counts_of(answer.result):
        found["cuts"] = lambda _: cuts.figure(counts)
    if rows_of_table := (first[0].get("table") or {}).get("rows") if first else None:
        of = rate_tables if "rate_from_bps" in rows_of_table[0] else thresholds
        found["decisions"] = partial(_decisions, session, head, of.figure)
    return found


def _drawn(session: Session, head: Head, of: Any, texts: tuple[str, ...], _: str | None) -> Figure:
    made: Figure = of.figure(columns(stored.user_parts(session, head), of.NUMBERS, texts))
    return made


def _decisions(
    session: Session, head: Head, drawn: Callable[[Iterator[Any]], Figure], user: str | None
) -> Figure:
    if user is None:
        return drawn(rows(stored.user_parts(session, head)))
    return drawn(iter([stored.user_of(session, head, user)]))


def _fields(entry: dict[str, Any], within: str = "") -> Iterator[str]:
    """The dotted names of what an entry says, null or not."""
    for name, value in entry.items():
        if isinstance(value, dict):
            yield from _fields(value, f"{within}{name}.")
        else:
            yield f"{within}{name}"


def _moments(session: Session, head: Head) -> list[Moment]:
    found = session.connection().execute(_STEPS, {"number": head.number}).all()
    begun = head.started_at or head.created_at
    return [
        Moment(
            max(0.0, (at - begun).total_seconds()),
            _number(step.get("objective")),
            _number(step.get("bound")),
        )
        for at, step in found
    ]


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _unit(answer: Answer) -> str | None:
    """The unit of the objective, where it has one."""
    objective = (answer.result or {}).get("objective") or {}
    return next((unit for name, unit in reversed(_UNITS.items()) if objective.get(name)), None)
