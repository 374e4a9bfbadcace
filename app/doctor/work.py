"""What is to be done and who does it: workers, plans in line and under way, webhooks."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.doctor.findings import Finding, listed, ok, or_ok, warning, wrong
from app.experiments.tables import ExperimentBlockRow
from app.plans import stored
from app.plans.schemas import ENDED
from app.plans.stored import Notice
from app.plans.tables import DurableRow, PlanRow
from app.settings import Settings
from app.validations.tables import ValidationRow
from app.workers import WorkerRow, now_s

_DAY = timedelta(days=1)
# As the alert of docs/monitoring says.
_OLD_S = 300.0
# A solver minds its time limit, and its worker kills it some while after that.
_OVERTIME, _OVERTIME_S = 1.5, 300.0
_MANY_ATTEMPTS, _ATTEMPTS = 1000, 3
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Heard:
    """Workers, and how long ago each was heard of [s]."""

    silent_s: dict[str, float]
    told: dict[str, str | None]
    lease_s: float

    @property
    def living(self) -> list[str]:
        """Those that were heard of within a lease."""
        return [name for name, silent_s in self.silent_s.items() if silent_s <= self.lease_s]


def heard(session: Session, settings: Settings) -> Heard:
    """The workers that the database knows."""
    rows = session.execute(
        select(WorkerRow.id, now_s(session) - WorkerRow.beat_s, WorkerRow.told)
    ).all()
    silent = {name: float(silent_s) for name, silent_s, _ in rows}
    return Heard(silent, {name: told for name, _, told in rows}, settings.lease_s)


def workers(session: Session, known: Heard) -> Iterator[Finding]:
    """Who works, and who did."""
    waiting = session.scalar(
        select(func.count()).select_from(PlanRow).where(PlanRow.status.in_(("queued", "running")))
    )
    if not known.living and waiting:
        said = f"no worker lives, and {waiting} plans wait for one"
        yield wrong(
            "workers",
            said,
            "`splitplan serve` starts one (SPLITPLAN_WORKERS), `splitplan worker` is one.",
        )
    elif not known.living:
        said = f"no worker was heard of for {known.lease_s:g} s; nothing waits for one"
        yield warning(
            "workers",
            said,
            "`splitplan serve` starts one (SPLITPLAN_WORKERS), `splitplan worker` is one.",
        )
    else:
        ages = listed(f"{name} ({known.silent_s[name]:.0f} s ago)" for name in known.living)
        yield ok("workers", f"{len(known.living)} alive: {ages}")
    silent = sorted(set(known.silent_s) - set(known.living))
    if silent:
        ages = listed(f"{name} for {known.silent_s[name]:.0f} s" for name in silent)
        said = f"silent, and taken for dead: {ages}"
        yield warning(
            "workers",
            said,
            "Start again those that should live; the others are forgotten after 20 leases.",
        )
    yield from _releases(known)


def _releases(known: Heard) -> Iterator[Finding]:
    mine = version("splitplan")
    others = {
        name: runs
        for name in known.living
        if (runs := _release(known.told[name])) not in (None, mine)
    }
    if others:
        said = (
            f"this program is {mine}, and workers run others:"
            f" {listed(f'{name} {runs}' for name, runs in others.items())}"
        )
        yield warning("versions", said, "Restart what is older.")
    else:
        yield ok("versions", f"{mine}, and no worker says another")


def _release(told: str | None) -> str | None:
    """The release that a worker says it runs."""
    for name, labels, _ in json.loads(told or "[]"):
        if name == "splitplan_worker_build_info":
            return str(labels.get("version"))
    return None


_WORK: tuple[tuple[type[DurableRow], str], ...] = (
    (PlanRow, "plan"),
    (ValidationRow, "validation"),
    (ExperimentBlockRow, "experiment block"),
)


def plans(session: Session, known: Heard) -> Iterator[Finding]:
    """What is in line, and what does not come to its end."""
    for rows, noun in _WORK:
        yield from or_ok(
            f"{noun}s", _in_line(session, rows, noun), _stuck(session, rows, noun, known)
        )
    recent = PlanRow.finished_at > datetime.now(UTC) - _DAY
    by_us = stored.FAILURE_REASON.in_(("internal", "crashed"))
    ours = session.scalars(
        select(PlanRow.id).where(PlanRow.status == "failed", recent, by_us).limit(_MOST)
    ).all()
    if ours:
        said = f"{len(ours)} plans of the last day failed by a fault of the service: {listed(ours)}"
        yield warning("plans", said, "The workers' log has the cause, under the plan's id.")


def _in_line(session: Session, rows: type[DurableRow], noun: str) -> str:
    counts = Counter(
        dict(
            session.execute(
                select(rows.status, func.count())
                .where(rows.status.in_(("queued", "running")))
                .group_by(rows.status)
            ).all()
        )
    )
    return f"{counts['queued']} {noun}s wait, {counts['running']} are worked on"


def _stuck(session: Session, rows: type[DurableRow], noun: str, known: Heard) -> Iterator[Finding]:
    def ids(*which: ColumnElement[bool]) -> list[str]:
        return list(session.scalars(select(rows.id).where(*which).limit(_MOST)))

    now = datetime.now(UTC)
    running = rows.status == "running"
    orphaned = ids(running, or_(rows.taken_by.is_(None), rows.taken_by.not_in(known.living)))
    if orphaned:
        said = f"{len(orphaned)} {noun}s are with workers that do not live: {listed(orphaned)}"
        yield wrong(f"{noun}s", said, "Start a worker: it takes them over within a lease.")
    limit_s = stored.TIME_LIMIT_S if rows is PlanRow else None
    begun = select(rows.id, rows.started_at, *([limit_s] if limit_s is not None else []))
    late = [
        row[0]
        for row in session.execute(begun.where(running, rows.started_at.is_not(None)).limit(_MOST))
        if len(row) == 3 and row[2] is not None
        and (now - row[1]).total_seconds() > _OVERTIME * float(row[2]) + _OVERTIME_S
        and row[0] not in orphaned
    ]  # fmt: skip
    if late:
        said = f"{len(late)} {noun}s are worked on long after their time limit: {listed(late)}"
        yield warning(f"{noun}s", said, "POST to their /cancel, or restart their worker.")
    again = ids(
        rows.status.in_(("queued", "running")), or_(rows.attempt > _ATTEMPTS, rows.deaths > 0)
    )
    if again:
        said = (
            f"{len(again)} {noun}s were begun again and again, or workers died on them:"
            f" {listed(again)}"
        )
        yield warning(
            f"{noun}s", said, "See the workers' log under their ids; often memory is short."
        )
    oldest = session.scalar(select(func.min(rows.created_at)).where(rows.status == "queued"))
    if oldest is not None and (age_s := (now - oldest).total_seconds()) > _OLD_S:
        said = f"the oldest {noun} in line has waited for {age_s:.0f} s"
        yield warning(f"{noun}s", said, "Start more workers, or raise SPLITPLAN_SLOTS.")


def webhooks(session: Session, settings: Settings) -> Iterator[Finding]:
    """Receivers that are not reached."""
    waits = session.scalars(
        select(stored.WEBHOOK)
        .where(PlanRow.webhook_waiting.is_(True), PlanRow.status.in_(ENDED))
        .limit(_MOST)
    ).all()
    if waits and settings.webhook_secret is None:
        said = (
            f"{len(waits)} receivers are to be told, and SPLITPLAN_WEBHOOK_SECRET is not set: they"
            " wait"
        )
        yield wrong("webhooks", said, "Set it for webs and workers alike.")
        return
    recent = PlanRow.finished_at > datetime.now(UTC) - _DAY
    told = session.scalars(
        select(stored.WEBHOOK)
        .where(PlanRow.webhook_waiting.is_(False), stored.WEBHOOK.is_not(None), recent)
        .order_by(PlanRow.number.desc())
        .limit(_MOST)
    ).all()
    notices = [Notice.read(kept) for kept in (*waits, *told) if kept is not None]
    failing = Counter(
        n.origin
        for n in notices
        if n.status == "failed" or (n.attempts > 1 and n.status == "waiting")
    )
    said = (
        f"{len(waits)} receivers are to be told"
        if settings.webhook_secret
        else "off: no SPLITPLAN_WEBHOOK_SECRET"
    )
    yield from or_ok(
        "webhooks",
        said,
        (
            warning(
                "webhooks",
                f"{origin} was not reached for {count} plans of the last day",
                "See `webhook.detail` of these plans, and the receiver.",
            )
            for origin, count in failing.most_common(10)
        ),
    )
