"""The first page: what there is, what is at work, and what needs somebody."""

from collections import Counter
from dataclasses import dataclass

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app import workers
from app.plans import durable, heads
from app.plans.heads import Head
from app.plans.tables import PlanRow
from app.profiles import standing
from app.profiles.references import ProfileRef
from app.profiles.schemas.revisions import SCHEMAS
from app.profiles.schemas.timing import Timing
from app.profiles.stored import Stored
from app.settings import Settings
from app.ui.rendering import page
from app.ui.told import Fact
from app.ui.words import count, plural, status

_LATEST = 10
_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that somebody should look at."""

    level: str
    what: str
    detail: str
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of profiles."""

    collection: str
    many: int


def show(session: Session, request: Request) -> Response:
    """What a project has, and how the service is."""
    settings: Settings = request.app.state.settings
    alive = workers.living(session, settings.lease_s)
    waiting = durable.waiting(session, PlanRow)
    plans = heads.newest_first(session, _COUNTED)
    return page(
        request.scope,
        "overview.html",
        attention=_attention(session, plans, alive),
        facts=[*_of_plans(plans), *_of_workers(alive, waiting)],
        plans=plans[:_LATEST],
        profiles=kinds(session),
    )


def kinds(session: Session) -> list[Kind]:
    """How many profiles there are of each kind; none where there is none at all."""
    many = standing.counts(session)
    return [Kind(schema.collection, many.get(schema.kind, 0)) for schema in SCHEMAS] if many else []


def _of_plans(plans: list[Head]) -> list[Fact]:
    counted = Counter(plan.status for plan in plans)
    told = ", ".join(
        f"{count(many)} {status(each).lower()}" for each, many in counted.most_common(3)
    )
    return [Fact("Plans", count(len(plans)) + ("+" if len(plans) == _COUNTED else ""), told)]


def _of_workers(alive: int, waiting: int) -> list[Fact]:
    return [
        Fact("In line", count(waiting), "plans that wait for a worker"),
        Fact("Workers", count(alive), "heard of within their lease"),
    ]


def _attention(session: Session, plans: list[Head], alive: int) -> list[Attention]:
    found = []
    if alive == 0:
        mend = "Large plans wait until `splitplan serve` or `splitplan worker` runs one."
        found.append(Attention("bad", "No worker lives.", mend))
    revoked = [(plan, plan.revoked) for plan in plans if plan.revoked is not None]
    found += [
        Attention("bad", f"{plan.name or plan.id[:12]} is revoked:", why["detail"], _at(plan))
        for plan, why in revoked[:_LATEST]
    ]
    found += [
        Attention(
            "warns",
            f"{_ref(each)} is out of date:",
            _why_stale(each),
            f"/profiles/timings/{each.name}",
        )
        for each in standing.list_stale(session, _LATEST)
    ]
    failed = sum(plan.status == "failed" for plan in plans)
    if failed:
        said = f"{plural(failed, 'plan')} failed:"
        found.append(Attention("bad", said, "each says why.", "/plans?status=failed"))
    return found


def _at(plan: Head) -> str:
    return f"/plans/{plan.id}"


def _ref(timing: Stored[Timing]) -> ProfileRef:
    return ProfileRef(timing.name, timing.revision)


def _why_stale(timing: Stored[Timing]) -> str:
    return "" if timing.stale is None else str(timing.stale["detail"])
