"""A stored plan as the problem that was solved and the decision that was made."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from app.errors import PlanNotReplayable
from app.plans import service as plans
from app.plans.resolve import Dossier
from app.plans.robust.assemble import assemble
from app.plans.robust.schemas import RobustRequest
from app.plans.tables import PlanRow
from solvers.robust.check import TOLERANCE
from solvers.robust.problem import Decision, Floats, Integers, Problem


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was asked, what was decided and what the plan promised."""

    ids: list[str]
    problem: Problem
    decision: Decision
    energy_j: float
    mean_s: Floats  # (users,) of the total time
    std_s: Floats  # (users,)


def require_replayable(row: PlanRow) -> None:
    """Raise PlanNotReplayable unless the plan can be replayed."""
    if row.kind != "robust":
        raise PlanNotReplayable(f"The plan {row.id!r} is a {row.kind} plan: only robust plans can be replayed.")
    if row.answer["result"] is None:
        raise PlanNotReplayable(f"The plan {row.id!r} is {row.status} and decides nothing that could be replayed.")
    if row.pins is None:
        raise PlanNotReplayable(
            f"The plan {row.id!r} is from a time when the revisions behind names were not kept: plan it again."
        )


def rebuild(session: Session, row: PlanRow) -> Rebuilt:
    """Assemble the request again with the revisions and options of the time, and read the decision back."""
    assert row.pins is not None
    request = RobustRequest.model_validate(row.request | {"options": row.answer["options"]})
    dossier = Dossier(session, pins=dict(row.pins))
    assembled = assemble(request, dossier)
    assert assembled is not None, dossier.faults  # it was accepted once, and revisions never change
    users = plans.list_users(session, row.id, 0, row.users)
    decision = _decision(
        assembled.problem,
        cut=np.array([user["cut"] for user in users]),
        frequency_hz=np.array([user["frequency_hz"] for user in users], dtype=np.float64),
        bandwidth_hz=np.array([user["bandwidth_hz"] for user in users], dtype=np.float64),
    )
    return Rebuilt(
        ids=[user.id for user in request.users],
        problem=assembled.problem,
        decision=decision,
        energy_j=row.answer["result"]["objective"]["energy_j"],
        mean_s=np.array([user["latency"]["mean_s"] for user in users]),
        std_s=np.array([user["latency"]["std_s"] for user in users]),
    )


def _decision(problem: Problem, *, cut: Integers, frequency_hz: Floats, bandwidth_hz: Floats) -> Decision:
    """The option of each user: the one with that cut that runs at that clock; -1 where there is none."""
    work = problem.workloads
    first = work.first[problem.workload]
    count = work.first[problem.workload + 1] - first
    user = np.repeat(np.arange(problem.users), count)
    option = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    row = first[user] + option
    clock = frequency_hz[user]
    fits = (
        (work.cut[row] == cut[user])
        & (clock >= work.clock_min_hz[row] * (1.0 - TOLERANCE))
        & (clock <= work.clock_max_hz[row] * (1.0 + TOLERANCE))
    )
    chosen = np.full(problem.users, -1)
    chosen[user[fits]] = option[fits]
    return Decision(option=chosen, frequency_hz=frequency_hz, bandwidth_hz=bandwidth_hz)
