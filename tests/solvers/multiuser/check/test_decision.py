"""The check refuses every decision that was tampered with."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from solvers.multiuser.check import check
from solvers.multiuser.costs import latency
from solvers.multiuser.problem import Decision, Problem, Steadiness
from solvers.multiuser.solve import solve
from solvers.outcome import Options
from tests.support.multiuser.cells import a_cell


def a_planned_cell() -> tuple[Problem, Decision]:
    problem = a_cell(1, 12, options=8, deadlines=True)
    decision = solve(problem, Options()).decision
    assert decision is not None
    return problem, decision


def change(
    column: str, user: int, value: Callable[[float], float]
) -> Callable[[Decision], Decision]:
    def corrupt(decision: Decision) -> Decision:
        values = getattr(decision, column).copy()
        values[user] = value(values[user])
        return dataclasses.replace(decision, **{column: values})

    return corrupt


def sender(decision: Decision) -> int:
    return int(np.argmax(decision.bandwidth_share))


CORRUPTIONS: list[tuple[str, Callable[[Decision], Decision]]] = [
    ("bandwidth", lambda d: change("bandwidth_share", sender(d), lambda x: x + 1e-6)(d)),
    ("server", lambda d: change("server_share", sender(d), lambda y: y + 1e-6)(d)),
    ("bandwidth_share >= 0", lambda d: change("bandwidth_share", sender(d), lambda x: -x)(d)),
    ("server_share >= 0", lambda d: change("server_share", sender(d), lambda y: -y)(d)),
    ("latency", lambda d: change("bandwidth_share", sender(d), lambda x: 0.0)(d)),
    ("option", lambda d: change("option", 0, lambda o: 99)(d)),
    ("option", lambda d: change("option", 0, lambda o: -1)(d)),
    ("shares are numbers", lambda d: change("bandwidth_share", 0, lambda x: np.nan)(d)),
    ("one row per user", lambda d: dataclasses.replace(d, option=d.option[:-1])),
]


def test_an_honest_decision_holds() -> None:
    problem, decision = a_planned_cell()
    certificate = check(problem, decision)
    assert certificate.holds
    assert max(certificate.used.values()) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("constraint", "corrupt"), CORRUPTIONS, ids=[name for name, _ in CORRUPTIONS]
)
def test_tampered_decisions_are_refused(
    constraint: str, corrupt: Callable[[Decision], Decision]
) -> None:
    problem, decision = a_planned_cell()
    certificate = check(problem, corrupt(decision))
    assert not certificate.holds
    assert constraint in {violation.constraint for violation in certificate.violations}


def test_a_missed_deadline_names_the_user_and_the_time() -> None:
    problem, decision = a_planned_cell()
    deadline = problem.deadline_s.copy()
    total = latency(problem, decision).total_s
    deadline[3] = total[3] - 0.01
    late = check(dataclasses.replace(problem, deadline_s=deadline), decision)
    (violation,) = late.violations
    assert (violation.constraint, violation.user) == ("deadline", 3)
    assert violation.excess == pytest.approx(0.01)


def test_loss_and_switches_are_limits_too() -> None:
    problem = a_cell(1, 12, options=8)
    work = problem.workloads
    lossy = dataclasses.replace(work, loss=np.where(work.crossing_bit > 0, 0.02, 0.0))
    problem = dataclasses.replace(problem, workloads=lossy)
    decision = solve(problem, Options()).decision
    assert decision is not None
    lost = problem.workloads.loss[decision.row(problem)]
    user = int(np.argmax(lost))
    assert lost[user] > 0
    limit = np.ones(12)
    limit[user] = 0.5 * lost[user]
    (violation,) = check(dataclasses.replace(problem, max_loss=limit), decision).violations
    assert (violation.constraint, violation.user) == ("max_loss", user)
    before = np.where(decision.option > 0, 0, 1)
    steady = dataclasses.replace(problem, steadiness=Steadiness(previous=before, max_switches=3))
    (violation,) = check(steady, decision).violations
    assert (violation.constraint, violation.excess) == ("max_switches", 9.0)


def test_objective_is_recomputed_by_hand() -> None:
    problem, decision = a_planned_cell()
    total = 0.0
    for user in range(problem.users):
        row = problem.workloads.first[problem.workload[user]] + decision.option[user]
        work = problem.workloads
        seconds = work.device_s[row]
        if work.crossing_bit[row] > 0:
            rate = (
                decision.bandwidth_share[user]
                * problem.bandwidth_hz
                * problem.spectral_efficiency[user]
            )
            seconds += problem.network_s + work.crossing_bit[row] / rate
        if work.server_s[row] > 0:
            seconds += work.server_s[row] / decision.server_share[user]
        total += problem.weight[user] * (
            problem.latency_weight_per_s * seconds + problem.loss_weight * work.loss[row]
        )
    assert check(problem, decision).objective == pytest.approx(total, rel=1e-12)
