"""Validations as functions: replay a plan and keep the evidence, find it again."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import FieldError, InvalidRequest, PlanNotFound, ValidationNotFound
from app.plans import service as plans
from app.plans.schemas import INLINE_USERS
from app.plans.tables import PlanRow
from app.profiles.references import ProfileRef
from app.validations.empirical import Observed, observed, replay_observed
from app.validations.rebuild import Rebuilt, RebuiltCell, rebuild, require_replayable
from app.validations.schemas import Distribution, ValidationRequest
from app.validations.tables import ValidationRow
from app.validations.windows import windows
from solvers.outcome import Certificate
from solvers.robust.replay import Law, Misses, replay

# 25 to 50 ns each: about ten seconds. The largest cell of the default settings can be replayed with
# the defaults.
MOST_DRAWS = 300_000_000
_WORST = 20
_VERSION = version("splitplan")

# A plan that keeps every risk may be refuted by chance this often, over all its users and
# distributions together.
_SIGNIFICANCE = 1e-3

# What the check recomputes may differ from the stored plan by rounding only.
_AGREEMENT = 1e-9


class RefutedPlan(Exception):
    """A stored plan does not follow from its own request and revisions: a fault of ours."""

    def __init__(self, plan_id: str, objective: float, certificate: Certificate) -> None:
        broken = [(v.constraint, v.user, v.excess) for v in certificate.violations[:5]]
        super().__init__(
            f"plan {plan_id}: objective {objective}, recomputed as {certificate.objective}; broken"
            f" constraints: {broken}"
        )


def validate(database: Database, plan_id: str, asked: ValidationRequest) -> dict[str, Any]:
    """Replay a plan and store what came of it; the answer is what `GET` will say.

    No transaction is open during the replay: the plan and its revisions never change.
    Raises PlanNotFound, PlanNotReplayable, InvalidRequest.
    """
    with database.reading() as session:
        row = plans.find(session, plan_id)
        require_replayable(row)
        _require_few_draws(row, asked)
        rebuilt = rebuild(session, row)
        measured = observed(session, row, rebuilt) if "empirical" in asked.distributions else None
    if faults := list(_undrawable(rebuilt, asked, measured)):
        raise InvalidRequest(faults)
    certificate = rebuilt.check()
    if not certificate.holds or abs(certificate.objective - rebuilt.objective) > _AGREEMENT * abs(
        rebuilt.objective
    ):
        raise RefutedPlan(plan_id, rebuilt.objective, certificate)
    laws = {
        distribution: _replay(rebuilt, asked, distribution, measured)
        for distribution in asked.distributions
    }
    verdict = {
        "trials": asked.trials,
        "seed": asked.seed,
        "distributions": list(asked.distributions),
        "holds": not any(misses.rejected.any() for misses in laws.values()),
        "check": {
            "holds": certificate.holds,
            **_objective(rebuilt, certificate),
            "bandwidth_used_hz": certificate.used["bandwidth_hz"],
        },
        "solver_version": _VERSION,
        "laws": {distribution: _summary(misses) for distribution, misses in laws.items()},
    }
    evidence = {distribution: _evidence(rebuilt, misses) for distribution, misses in laws.items()}
    if measured is not None and (found := windows(rebuilt, measured)):
        evidence["empirical"]["windows"] = found
    return _document(plan_id, _kept(database, plan_id, verdict, evidence))


def _objective(rebuilt: Rebuilt, certificate: Certificate) -> dict[str, float | None]:
    """What the check recomputes: joules, or watts where users say how often they infer."""
    if any(cell.problem.rate_hz is not None for cell in rebuilt.cells):
        return {"energy_j": None, "power_w": certificate.objective}
    return {"energy_j": certificate.objective}


def _kept(
    database: Database, plan_id: str, verdict: dict[str, Any], evidence: Mapping[Distribution, Any]
) -> ValidationRow:
    """A validation stored as the plan's next. Raises PlanNotFound."""
    with database.writing() as session:
        # Whoever validates or deletes the same plan at the same time waits for this row.
        plan = session.scalar(select(PlanRow.number).where(PlanRow.id == plan_id).with_for_update())
        if plan is None:
            raise PlanNotFound(f"The plan {plan_id!r} was deleted while it was replayed.")
        last = session.scalar(
            select(func.max(ValidationRow.number)).where(ValidationRow.plan_number == plan)
        )
        made = ValidationRow(
            plan_number=plan,
            number=(last or 0) + 1,
            created_at=datetime.now(UTC),
            verdict=verdict,
            evidence=evidence,
        )
        session.add(made)
    return made


def get(session: Session, plan_id: str, number: int) -> dict[str, Any]:
    """A validation as it was answered. Raises PlanNotFound, ValidationNotFound."""
    row = session.get(ValidationRow, (plans.find(session, plan_id).number, number))
    if row is None:
        raise ValidationNotFound(plan_id, number)
    return _document(plan_id, row)


def list_validations(
    session: Session, plan_id: str, after: int, limit: int
) -> list[dict[str, Any]]:
    """The validations of a plan without their users, oldest first, from the first after a number.

    Raises PlanNotFound.
    """
    columns = select(ValidationRow.number, ValidationRow.created_at, ValidationRow.verdict)
    wanted = columns.where(
        ValidationRow.plan_number == plans.find(session, plan_id).number,
        ValidationRow.number > after,
    )
    found = session.execute(wanted.order_by(ValidationRow.number).limit(limit))
    return [
        _heading(plan_id, number, created_at) | verdict for number, created_at, verdict in found
    ]


def _require_few_draws(row: PlanRow, asked: ValidationRequest) -> None:
    per_trial = row.users * len(asked.distributions)
    if per_trial * asked.trials > MOST_DRAWS:
        detail = (
            f"{asked.trials} trials × {row.users} users × {len(asked.distributions)} distributions"
            f" are more than the {MOST_DRAWS} draws of one validation: ask for at most"
            f" {MOST_DRAWS // per_trial} trials"
        )
        raise InvalidRequest([FieldError("/trials", detail)])


def _undrawable(
    rebuilt: Rebuilt, asked: ValidationRequest, measured: Observed | None
) -> Iterator[FieldError]:
    """The distributions that cannot have the moments of some user's time."""
    around_zero = np.nonzero((rebuilt.mean_s <= 0.0) & (rebuilt.std_s > 0.0))[0]
    for n, distribution in enumerate(asked.distributions):
        if distribution == "empirical":
            assert measured is not None
            if measured.unmeasured is not None:
                yield FieldError(f"/distributions/{n}", _unmeasured(rebuilt, *measured.unmeasured))
        elif distribution != "two_point" and len(around_zero):
            user = rebuilt.ids[around_zero[0]]
            detail = (
                f"{distribution} times are above 0 on average, but those of user {user!r} vary"
                " around 0"
            )
            yield FieldError(f"/distributions/{n}", f"{detail}: leave it out")


def _unmeasured(rebuilt: Rebuilt, user: int, part: str, ref: ProfileRef | None) -> str:
    """Whose times the empirical law would need, and what to do."""
    detail = f"empirical draws from measured times: of user {rebuilt.ids[user]!r} "
    if part == "network":
        return f"{detail}nothing varies but the network's delay, which has none: leave it out"
    whose = f"{ref} holds none" if ref else "its timing came with the request"
    return (
        f"{detail}the {part}'s part has none: {whose}; POST /v1/timings/{{name}}/measurements takes"
        " them"
    )


def _replay(
    rebuilt: Rebuilt,
    asked: ValidationRequest,
    distribution: Distribution,
    measured: Observed | None,
) -> Misses:
    law = Law(distribution)
    rng = np.random.default_rng([asked.seed, list(Law).index(law)])  # each law has its own stream
    significance = _SIGNIFICANCE / (len(rebuilt.ids) * len(asked.distributions))

    shapes = iter(measured.cells if measured else ())

    def replayed(cell: RebuiltCell) -> Misses:
        if law is Law.EMPIRICAL:
            return replay_observed(cell, next(shapes), asked.trials, rng, significance)
        return replay(
            cell.problem, cell.decision, asked.trials, rng, [law], significance=significance
        ).laws[law]

    return rebuilt.misses(replayed)


def _summary(misses: Misses) -> dict[str, Any]:
    return {
        "users_count": len(misses.count),
        "misses_total": int(misses.count.sum()),
        "share_max": float(misses.share.max()),
        "rejected_users": int(misses.rejected.sum()),
    }


def _evidence(rebuilt: Rebuilt, misses: Misses) -> dict[str, Any]:
    risk = rebuilt.risk
    order = np.lexsort((-misses.share / risk, ~misses.rejected))
    evidence = {"worst": _users(rebuilt, misses, order[:_WORST].tolist())}
    if len(order) <= INLINE_USERS:
        evidence["users"] = _users(rebuilt, misses, range(len(order)))
    return evidence


def _users(rebuilt: Rebuilt, misses: Misses, which: Iterable[int]) -> list[dict[str, Any]]:
    columns = (misses.count, misses.share, misses.low, misses.high, rebuilt.risk, misses.rejected)
    rows = list(zip(rebuilt.ids, *(column.tolist() for column in columns), strict=True))
    return [
        {
            "id": name,
            "misses": count,
            "share": share,
            "interval": [low, high],
            "risk": risk,
            "rejected": rejected,
        }
        for name, count, share, low, high, risk, rejected in (rows[n] for n in which)
    ]


def _document(plan_id: str, row: ValidationRow) -> dict[str, Any]:
    laws = {law: summary | row.evidence[law] for law, summary in row.verdict["laws"].items()}
    return _heading(plan_id, row.number, row.created_at) | row.verdict | {"laws": laws}


def _heading(plan_id: str, number: int, created_at: datetime) -> dict[str, Any]:
    return {"number": number, "plan_id": plan_id, "created_at": created_at}
