"""A plan that its own users refuted: no longer trusted, told to whoever listens, planned again."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import instants, news
from app.db import Database
from app.errors import ProfileNotFound, SplitplanError
from app.plans import names, orders, service, stored, successions
from app.plans.orders import Order
from app.plans.pins import Pins
from app.plans.replan import replan
from app.plans.tables import PlanRow
from app.profiles import service as profiles
from app.profiles.schemas.timing import Timing

# What keeps more of the deadline free than what was promised; the last has nothing beyond it.
_SAFER = {"gaussian": "unimodal", "unimodal": "cantelli", "samples": "cantelli"}


def revoke(
    database: Database, plan_id: str, told: dict[str, Any], max_users: int
) -> dict[str, Any] | None:
    """Revoke a plan by what is known of it, once; how it is revoked, None where it is gone.

    The plan that is made instead, the event and the webhook are of the same transaction.
    """
    with database.reading() as session:
        row = session.scalars(select(PlanRow).where(PlanRow.id == plan_id)).one_or_none()
        if row is None or row.revoked is not None:
            return None if row is None else row.revoked
        order, reason = _order_instead(database, session, row, max_users)
        name = row.name
    now = datetime.now(UTC)
    with database.writing() as session:
        names.hold(session, [name])
        row = session.scalars(
            select(PlanRow).where(PlanRow.id == plan_id).with_for_update()
        ).one_or_none()
        if row is None or row.revoked is not None:
            return None if row is None else row.revoked
        revoked: dict[str, Any] = {
            "at": instants.text(now),
            "detail": _detail(told),
            "e_value": told["e_value"],
            "users_refuted": told["users_refuted"],
        }
        if order is not None:
            child = orders.new_plan(order, None)
            stored.keep(session, child, order.bulk)
            service.tell(session, child.number, "queued")
            news.tell(session, "plan")
            revoked["replanned_as"] = child.id
        elif reason is not None:
            revoked["not_replanned"] = reason
        row.revoked = revoked
        service.tell_revoked(session, row.number)
        successions.revoke(session, row)
        if (notice := stored.notice_of(row)) is not None:
            stored.Notice(notice.url).keep(row)  # told anew, of the revocation
            news.tell(session, "webhook")
        return revoked


def _order_instead(
    database: Database, session: Session, row: PlanRow, max_users: int
) -> tuple[Order | None, str | None]:
    """The plan to make instead; or why there is none, though it was asked for."""
    options = stored.answer_of(row).options
    if options.get("on_revocation") != "replan":
        return None, None
    newer, pins = _newer_timings(session, row)
    safer = _SAFER.get(options["margin"])
    if not newer and safer is None:
        return None, (
            f"no margin is safer than {options['margin']!r}, and no timing has a newer revision:"
            " measure again"
        )
    patch = {} if newer else {"options": {"margin": safer}}
    try:
        return replan(database, row.id, patch, None, max_users, pins=pins), None
    except SplitplanError as refused:
        faults = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in refused.errors[:3])
        return None, (faults or refused.detail)[:1000]


def _newer_timings(session: Session, row: PlanRow) -> tuple[bool, Pins | None]:
    """The plan's pins without the timings that were measured anew since, and whether any was."""
    kept = stored.pins_of(row)
    if kept is None:
        return False, None
    stale = set()
    for ref in kept.timings:
        try:
            newest = profiles.get(session, Timing, ref.name).revision
        except ProfileNotFound:  # deleted since: the plan keeps what it knew
            continue
        if ref.revision is not None and newest > ref.revision:
            stale.add(str(ref))
    fresh = {pin: ref for pin, ref in kept.kept.items() if ref not in stale}
    return bool(stale), Pins(fresh) if stale else None


def _detail(told: dict[str, Any]) -> str:
    share = told["misses"] / max(told["inferences"], 1)
    return (
        f"{told['misses']} of {told['inferences']} inferences were late ({share:.2%}) at"
        f" {told['users_reporting']} users, {told['users_refuted']} of them refuted for themselves:"
        f" against the promised risks the evidence is {told['e_value']:.3g} to 1"
    )
