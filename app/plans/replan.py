"""A plan made from an earlier one: its request with a merge patch, its revisions, and what became
of its users.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import FieldError, InvalidRequest, MalformedJson, TooManyUsers, escaped
from app.field_errors import REQUIRED, validated
from app.nearest import nearest
from app.plans import orders, service, stored
from app.plans.families import FAMILIES
from app.plans.family import Entries, Family, Outcome, Prepared
from app.plans.misspelt import fold, slip_of
from app.plans.orders import Lineage, Order
from app.plans.pins import Pins
from app.plans.tables import PlanRow
from app.profiles.schemas.profile import FieldWarning

Json = dict[str, Any]

_LISTED = 100
_COMPARED, _MISSPELT = 10_000, 5
_INDEXED = re.compile(r"^/users/(\d+)(?=/|$)")


def replan(
    database: Database,
    plan_id: str,
    patch: Json,
    max_switches: int | None,
    max_users: int,
    pins: Pins | None = None,
) -> Order:
    """Order a plan of the patched request of an earlier one, on its pins or on other ones.

    `patch` is RFC 7396's, over a view of the request whose users are an object keyed by id.
    Raises PlanNotFound, RevisionsUnknown, MalformedJson, TooManyUsers, and InvalidRequest with
    pointers into the view.
    """
    created_at = datetime.now(UTC)
    with database.reading() as session:
        row = service.find(session, plan_id)
        other_pins, pins = pins is not None, pins or stored.known_pins(row)
        if row.users > max_users + len(patch.get("users") or {}):
            raise TooManyUsers(row.users, max_users)
        family = FAMILIES[row.kind]
        if max_switches is not None and family.steady is None:
            detail = f"a {row.kind} plan cannot be held to an earlier one: leave it out"
            raise InvalidRequest([FieldError("/max_switches", detail)])
        before = _view(session, row)
        after = patched(before, patch, max_users)
        body = after | {"users": list(after["users"].values())}
        prepared = _prepared(session, pins, family, body, list(after["users"]), before["users"])
        changes = _changes(before, after, max_switches)
        if not other_pins:
            prepared.resolver.warnings.extend(_doubts(before, after, changes))
        prepared, lineage = _held(session, row, prepared, after["users"], changes, max_switches)
    return Order(prepared, body, created_at, lineage)


def inherited(session: Session, row: PlanRow, prepared: Prepared) -> tuple[Prepared, Lineage]:
    """A stored plan that was made from another, prepared anew: held to that one as it was
    ordered.
    """
    assert row.parent is not None
    changed = stored.answer_of(row).changed or {}
    changes = {key: value for key, value in changed.items() if key != "switched"}
    parent = session.scalars(select(PlanRow).where(PlanRow.id == row.parent)).one_or_none()
    if (
        parent is None
    ):  # only plans without a limit on switches outlive their parents: nothing to hold them to
        return prepared, Lineage(row.parent, changes, None, lambda _: None)
    users = {user["id"]: user for user in stored.request_of(session, row).users}
    return _held(session, parent, prepared, users, changes, row.max_switches)


def _held(
    session: Session,
    parent: PlanRow,
    prepared: Prepared,
    users: Json,
    changes: Json,
    max_switches: int | None,
) -> tuple[Prepared, Lineage]:
    """A plan held to its parent's decisions, and how it will be told from it; `users` are the new
    plan's, by id.
    """
    family = FAMILIES[parent.kind]
    decided, held = held_to(session, parent, users)
    if max_switches is not None:
        assert family.steady is not None
        # More than all changes nothing, and may not fit a column.
        max_switches = min(max_switches, len(users))
        prepared = family.steady(prepared, held, max_switches)

    def switched(outcome: Outcome) -> int | None:
        both = decided and outcome.result is not None
        return _switched(family, held, outcome.users) if both else None

    return prepared, Lineage(parent.id, changes, max_switches, switched)


def held_to(session: Session, parent: PlanRow, users: Json) -> tuple[bool, Entries]:
    """Whether a plan decided anything, and its entries of those of these users (by id) who run the
    same network still: who runs another one has nothing to hold on to.
    """
    decided = stored.answer_of(parent).result is not None
    entries = stored.users_of(session, parent, 0, parent.users) if decided else []
    before = _view(session, parent)["users"]
    return decided, {
        entry["id"]: entry for entry in entries if _same_model(entry["id"], before, users)
    }


def _same_model(key: str, before: Json, after: Json) -> bool:
    return key in after and bool(after[key]["model"] == before[key]["model"])


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2; neither argument changes."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _view(session: Session, row: PlanRow) -> Json:
    """The request with its users by id. What the plan superseded is the plan's own affair."""
    asked = stored.request_of(session, row)
    view = {key: value for key, value in asked.body.items() if key != "supersedes"}
    return view | {"users": {user["id"]: user for user in asked.users}}


def patched(view: Json, patch: Json, max_users: int) -> Json:
    """The view after the patch: users keep their order, new ones follow in that of the patch."""
    try:
        after = merged(view, patch)
    except RecursionError:
        raise MalformedJson("The body is nested too deeply.") from None
    users, asked = after.get("users", {}), patch.get("users") or {}
    unknown = [key for key, user in asked.items() if user is None and key not in view["users"]]
    if unknown:
        unknown = unknown[:_LISTED]
        raise InvalidRequest(
            [
                FieldError(f"/users/{escaped(key)}", f"no user to remove{meant}")
                for key, meant in zip(unknown, _nearest(unknown, view["users"]), strict=True)
            ]
        )
    if len(users) > max_users:
        raise TooManyUsers(len(users), max_users)
    renamed = [key for key, user in users.items() if user.get("id", key) != key]
    if renamed:
        detail = "is not the key of this user: remove the one, add the other"
        raise InvalidRequest([FieldError(f"/users/{escaped(key)}/id", detail) for key in renamed])
    return dict(after) | {"users": {key: {"id": key} | user for key, user in users.items()}}


def _nearest(keys: list[str], known: Json) -> Iterator[str]:
    """For each id the known ones that may have been meant, as the end of a sentence; of many ids
    only for the first ones.
    """
    folded = {fold(key): key for key in known} if keys else {}
    # Who has more users than this has them numbered, and every number is near every other.
    compared = list(islice(known, _COMPARED))
    for n, key in enumerate(keys):
        slip = slip_of(key, known, folded) if n < _MISSPELT else None
        found = [slip] if slip is not None else []
        if n < _MISSPELT and not found:
            found = nearest(key, compared)
        yield f": did you mean {' or '.join(map(repr, found))}?" if found else ""


def _doubts(before: Json, after: Json, changes: Json) -> Iterator[FieldWarning]:
    """What looks like a mistake: nothing to change, and new users who are perhaps old ones."""
    known = before["users"]
    new = [key for key in after["users"] if key not in known]
    if not new and not any(changes.values()):
        again = "changes nothing: the same request is planned again, on the same revisions"
        yield FieldWarning(field="", message=again)
    if not 0 < len(new) <= _MISSPELT:  # who adds many has not mistyped one
        return
    folded = {fold(key): key for key in known}
    for key in new:
        if (slip := slip_of(key, known, folded)) is not None:
            message = f"is a new user; if {slip!r} was meant, remove this one and patch that"
            yield FieldWarning(field=f"/users/{escaped(key)}", message=message)


def _prepared(
    session: Session, pins: Pins, family: Family, body: Json, ids: list[str], known: Json
) -> Prepared:
    """A prepared request, its faults and warnings told by the ids of users instead of their
    positions; half a user who is not `known` is perhaps another one, misspelt.
    """
    try:
        prepared = orders.prepared(session, family.prepare, validated(family.request, body), pins)
    except InvalidRequest as refused:
        faults = [replace(fault, pointer=_by_id(fault.pointer, ids)) for fault in refused.errors]
        halves = {
            int(match[1])
            for fault in refused.errors
            if fault.detail == REQUIRED and (match := _INDEXED.match(fault.pointer))
        }
        new = [ids[n] for n in sorted(halves) if ids[n] not in known][:_MISSPELT]
        whole = "is new, and a new user is given whole"
        misspelt = [
            FieldError(f"/users/{escaped(key)}", f"{whole}{meant}")
            for key, meant in zip(new, _nearest(new, known), strict=True)
        ]
        raise InvalidRequest([*misspelt, *faults]) from None
    warnings = prepared.resolver.warnings
    warnings[:] = [
        FieldWarning(field=_by_id(warning.field, ids), message=warning.message)
        for warning in warnings
    ]
    return prepared


def _by_id(pointer: str, ids: list[str]) -> str:
    return _INDEXED.sub(lambda found: f"/users/{escaped(ids[int(found[1])])}", pointer)


def _changes(before: Json, after: Json, max_switches: int | None) -> Json:
    """What the patch changed in the request."""
    old, new = before["users"], after["users"]
    named = {
        "users_added": [key for key in new if key not in old],
        "users_removed": [key for key in old if key not in new],
        "users_changed": [key for key, user in new.items() if key in old and user != old[key]],
    }
    fields = [
        key for key in {**before, **after} if key != "users" and before.get(key) != after.get(key)
    ]
    limit = {} if max_switches is None else {"max_switches": max_switches}
    return {name: ids[:_LISTED] for name, ids in named.items()} | {"fields": fields} | limit


def _switched(family: Family, held: Entries, users: list[Json]) -> int:
    """Users who had a decision for the network they run, and now have another."""
    return sum(
        family.decision(user) != family.decision(held[user["id"]])
        for user in users
        if user["id"] in held
    )
