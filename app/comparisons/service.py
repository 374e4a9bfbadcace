"""Comparisons as functions of a session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
from sqlalchemy.orm import Session

from app.comparisons import wording
from app.comparisons.difference import CHANGES, Some, Totals, scanned, totals
from app.comparisons.inputs import profiles, terms
from app.comparisons.schemas import ComparedUser
from app.comparisons.sides import MEASURES, Side
from app.errors import PlansNotComparable
from app.plans import service as plans
from app.plans.browsing import value_of
from app.plans.schemas import INLINE_USERS

Json = dict[str, Any]

# A page is at most what so many users have of differences: it may be short, and goes on.
_LOOKED_AT = 131_072


def sides(session: Session, before_id: str, after_id: str) -> tuple[Side, Side]:
    """Two ended plans of one kind. Raises PlanNotFound, PlanNotEnded, PlansNotComparable."""
    rows = [plans.ended(session, plan_id) for plan_id in (before_id, after_id)]
    if rows[0].kind != rows[1].kind:
        raise PlansNotComparable(
            f"The plan {before_id!r} is {rows[0].kind}, and {after_id!r} is {rows[1].kind}:"
            " compare two of one kind."
        )
    before, after = (Side(session, row) for row in rows)
    return before, after


def compared(session: Session, before_id: str, after_id: str) -> Json:
    """What distinguishes two plans, with the users who changed where these are few.

    A block of users of each plan is in memory at a time, and of more than 65,536 what is compared
    is on disk. Raises as `sides` does.
    """
    before, after = sides(session, before_id, after_id)
    told = in_all(before, after)
    summary = told.pop("summary")
    if max(before.count, after.count) <= INLINE_USERS:
        told["users"] = page(before, after, 0, INLINE_USERS * 2)[0]
    else:
        a, b = (quote(plan_id, safe="") for plan_id in (before_id, after_id))
        told["users_url"] = f"/v1/plans/{a}/compare/{b}/users"
    return told | {"summary": summary}


def in_all(before: Side, after: Side) -> Json:
    """The same without the users themselves."""
    found = totals(before, after)
    different, count = terms(before.inputs, after.inputs)
    told: Json = {
        "kind": after.row.kind,
        "before": _plan(before),
        "after": _plan(after),
        "terms": different,
        "terms_count": count,
        "profiles": profiles(before.inputs, after.inputs),
        **_measures(before, after, found),
        "users_compared": {
            **dict(zip(CHANGES, found.changes.tolist(), strict=True)),
            "unchanged": found.unchanged,
            "because": found.because,
        },
    }
    return told | {"summary": wording.summary(told)}


def page(
    before: Side, after: Side, start: int, limit: int, changes: Sequence[str] = CHANGES
) -> tuple[list[Json], int | None]:
    """Users who changed in one of these ways, from a position on, and where the next ones are; None
    where there are none. A page is short where many users in a row did not change.
    """
    wanted = [CHANGES.index(change) for change in changes]
    found: list[Json] = []
    last = before.count + after.count
    for stop, some in scanned(before, after, start):
        whom = np.flatnonzero(np.isin(some.change, wanted)).tolist()
        room = limit - len(found)
        if whom:
            found += _entries(before, after, some, whom[:room])
        if len(whom) > room:
            beyond = after.count if stop > after.count else 0
            return found, int(some.position[whom[room]]) + beyond
        if stop >= last:
            break
        if len(found) == limit or stop - start >= _LOOKED_AT:
            return found, stop
    return found, None


def _entries(before: Side, after: Side, some: Some, whom: Sequence[int]) -> Iterator[Json]:
    left = CHANGES[some.change[whom[0]]] == "left"
    mine = (before if left else after).entries([int(some.position[n]) for n in whom])
    known = [int(some.other[n]) for n in whom if some.other[n] >= 0]
    theirs = before.entries(known)
    for n in whom:
        here, there = mine[int(some.position[n])], theirs.get(int(some.other[n]))
        old, new = (here, None) if left else (there, here)
        inputs = (
            []
            if old is None or new is None
            else [
                {"field": name, "before": was, "after": now}
                for name, was, now in before.inputs.differing(after.inputs, old[0], new[0])
            ]
        )
        entry = {
            "id": here[0]["id"],
            "change": CHANGES[some.change[n]],
            "because": some.because(n),
            "inputs": inputs,
            "before": old and _carried(before, old[1]),
            "after": new and _carried(after, new[1]),
        }
        yield entry | {"sentence": wording.sentence(entry)}


def _carried(side: Side, told: Json | None) -> Json | None:
    if told is None:
        return None
    kept = {name: told[name] for name in ComparedUser.model_fields if told.get(name) is not None}
    measures = {name: value_of(told, field) for name, field in MEASURES[side.row.kind].items()}
    return kept | measures


def _plan(side: Side) -> Json:
    row = side.row
    return {
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "has_result": row.has_result,
        "created_at": row.created_at,
        "users_count": row.users,
        "revoked": row.revoked is not None,
    }


def _measures(before: Side, after: Side, found: Totals) -> Json:
    told: Json = {}
    both = after.count - int(found.changes[CHANGES.index("joined")])
    users = np.array([before.count, after.count, both, both], np.float64)
    for name in MEASURES[after.row.kind]:
        sums = found.sums[name]
        values = sums / np.maximum(users, 1.0) if name == "latency_s" else sums
        told[name] = {
            which: float(value) if np.isfinite(value) and count else None
            for which, value, count in zip(
                ("before", "after", "in_both_before", "in_both_after"),
                values.tolist(),
                users.tolist(),
                strict=True,
            )
        }
    return told
