"""A stored plan, made ready to be replayed, and replayed."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from app.db import Database
from app.errors import FieldError, InvalidRequest
from app.plans import service as plans
from app.plans.schemas import INLINE_USERS
from app.plans.tables import PlanRow
from app.profiles.references import ProfileRef
from app.validations.empirical import Observed, observed, replay_observed
from app.validations.rebuild import Rebuilt, RebuiltCell, rebuild, require_replayable
from app.validations.schemas import Distribution, ValidationRequest, question
from app.validations.windows import windows
from solvers.arrays import Integers
from solvers.outcome import Certificate
from solvers.progress import Progress
from solvers.robust.replay import Law, Misses, replay

# 25 to 50 ns each: hours, at the most. A million users can be replayed with the defaults.
MOST_DRAWS = 100_000_000_000
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


@dataclass(frozen=True, slots=True)
class Replayable:
    """A plan as it was solved, and what is asked of its replay."""

    plan_id: str
    asked: ValidationRequest
    rebuilt: Rebuilt
    measured: Observed | None

    @property
    def draws(self) -> int:
        """How many times are drawn at most."""
        return _draws(len(self.rebuilt.ids), self.asked)


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of a replay: all that a list shows, and of each law the users."""

    verdict: dict[str, Any]
    evidence: dict[str, Any]


def prepared(database: Database, plan_id: str, asked: ValidationRequest) -> Replayable:
    """A plan that can be replayed as is asked.

    Raises PlanNotFound, PlanNotEnded, PlanNotReplayable, InvalidRequest.
    """
    with database.reading() as session:
        row = plans.find(session, plan_id)
        require_replayable(row)
        _require_few_draws(row, asked)
        rebuilt = rebuild(session, row)
        measured = observed(session, row, rebuilt) if "empirical" in asked.distributions else None
    if faults := list(_undrawable(rebuilt, asked, measured)):
        raise InvalidRequest(faults)
    return Replayable(plan_id, asked, rebuilt, measured)


def replayed(ready: Replayable, progress: Progress) -> Findings:
    """Check a plan and replay it. Raises RefutedPlan, Cancelled.

    No transaction is open meanwhile: the plan and its revisions never change.
    """
    rebuilt, asked, measured = ready.rebuilt, ready.asked, ready.measured
    certificate = rebuilt.check()
    if not certificate.holds or abs(certificate.objective - rebuilt.objective) > _AGREEMENT * abs(
        rebuilt.objective
    ):
        raise RefutedPlan(ready.plan_id, rebuilt.objective, certificate)
    laws = {
        distribution: _replay(ready, distribution, progress) for distribution in asked.distributions
    }
    verdict = question(asked) | {
        "holds": not any(misses.rejected.any() for misses in laws.values()),
        "check": {
            "holds": certificate.holds,
            **_objective(rebuilt, certificate),
            "bandwidth_used_hz": certificate.used["bandwidth_hz"],
        },
        "solver_version": _VERSION,
        "laws": {distribution: _summary(misses) for distribution, misses in laws.items()},
    }
    evidence: dict[str, Any] = {
        distribution: _evidence(rebuilt, misses) for distribution, misses in laws.items()
    }
    if measured is not None and (found := windows(rebuilt, measured)):
        evidence["empirical"]["windows"] = found
    return Findings(verdict, evidence)


def _objective(rebuilt: Rebuilt, certificate: Certificate) -> dict[str, float | None]:
    """What the check recomputes: joules, or watts where users say how often they infer."""
    if any(cell.problem.rate_hz is not None for cell in rebuilt.cells):
        return {"energy_j": None, "power_w": certificate.objective}
    return {"energy_j": certificate.objective}


def _draws(users: int, asked: ValidationRequest) -> int:
    return asked.trials * users * len(asked.distributions)


def _require_few_draws(row: PlanRow, asked: ValidationRequest) -> None:
    if (draws := _draws(row.users, asked)) > MOST_DRAWS:
        detail = (
            f"{asked.trials} trials × {row.users} users × {len(asked.distributions)} distributions"
            f" are more than the {MOST_DRAWS} draws of one validation: ask for at most"
            f" {MOST_DRAWS * asked.trials // draws} trials"
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


def _replay(ready: Replayable, distribution: Distribution, progress: Progress) -> Misses:
    rebuilt, asked, measured = ready.rebuilt, ready.asked, ready.measured
    law, count = Law(distribution), len(asked.distributions)
    nth = asked.distributions.index(distribution)
    progress.stage(law, nth / count, (nth + 1) / count)
    drawn = 0

    def drew(times: int) -> None:
        nonlocal drawn
        drawn += times
        progress.tick(drawn * count / ready.draws)

    rng = np.random.default_rng([asked.seed, list(Law).index(law)])  # each law has its own stream
    significance = _SIGNIFICANCE / (len(rebuilt.ids) * len(asked.distributions))

    shapes = iter(measured.cells if measured else ())

    def replayed(cell: RebuiltCell) -> Misses:
        if law is Law.EMPIRICAL:
            return replay_observed(cell, next(shapes), asked.trials, rng, significance, drew)
        return replay(
            cell.problem,
            cell.decision,
            asked.trials,
            rng,
            [law],
            significance=significance,
            drew=drew,
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
    evidence = {"worst": _users(rebuilt, misses, order[:_WORST])}
    if len(order) <= INLINE_USERS:
        evidence["users"] = _users(rebuilt, misses, np.arange(len(order)))
    return evidence


def _users(rebuilt: Rebuilt, misses: Misses, which: Integers) -> list[dict[str, Any]]:
    columns = (misses.count, misses.share, misses.low, misses.high, rebuilt.risk, misses.rejected)
    names = [rebuilt.ids[n] for n in which.tolist()]
    rows = zip(names, *(column[which].tolist() for column in columns), strict=True)
    return [
        {
            "id": name,
            "misses": count,
            "share": share,
            "interval": [low, high],
            "risk": risk,
            "rejected": rejected,
        }
        for name, count, share, low, high, risk, rejected in rows
    ]
