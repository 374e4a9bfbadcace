"""Explanations against brute force: every combination of options, with its best shares."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from solvers.multiuser.costs import cost
from solvers.multiuser.explain import Asked, Prices, bound
from solvers.multiuser.problem import Problem
from solvers.multiuser.solve.decided import Answer
from solvers.records import with_cut
from solvers.registry import answer
from tests.support.multiuser.brute_force import columns, enumerate_cell
from tests.support.multiuser.cells import a_cell
from tests.support.seeds import Drawn

CLOSE = 1e-6


def cheapest(problem: Problem, prices: Prices, option: int) -> float:
    """Least priced cost of an option of the only user, by a grid that closes in on it."""
    fixed, sent, served, slack = (part[0] for part in columns(problem, np.array([option])))
    loss = problem.workloads.loss[problem.workloads.first[problem.workload[0]] + option]
    if sent + served > slack * (1 + 1e-9) or loss > problem.max_loss[0]:
        return np.inf
    weight = problem.weight[0] * problem.latency_weight_per_s

    def spent(logs: np.ndarray) -> float:
        x, y = np.minimum(np.exp(logs), 1.0)
        time = sent / x + served / y
        late = max(0.0, time - slack * (1 + 1e-9))
        return float(
            fixed
            + weight * time
            + prices.uplink * x * (sent > 0)
            + prices.server * y * (served > 0)
            + 1e6 * late
        )

    found = [
        minimize(
            spent,
            start,
            method="Nelder-Mead",
            options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000},
        )
        for start in ([-0.01, -0.01], [-2.0, -2.0], [-5.0, -3.0])
    ]
    return min(float(one.fun) for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("deadlines", [False, True])
def test_explanations_are_what_brute_force_finds(drawn: Drawn, *, deadlines: bool) -> None:
    told = 0
    for seed in drawn(2, soak=30):
        problem = a_cell(seed, 2 + seed % 3, options=3, deadlines=deadlines)
        solution, _ = answer(problem)
        if solution.decision is None:
            continue
        prices = Prices(
            uplink=solution.prices["bandwidth_per_hz"] * problem.bandwidth_hz,
            server=solution.prices["server_per_flop_per_s"] * problem.server_flop_per_s,
        )
        room = solution.objective - bound(problem, prices)
        assert room >= -1e-9 * solution.objective
        spent = cost(problem, solution.decision)
        for user in range(problem.users):
            asked = Asked(problem.only(np.array([user])), prices)
            alone = problem.only(np.array([user]))
            slow = np.array([cheapest(alone, prices, n) for n in range(len(asked.rows))])
            assert np.allclose(asked.now.cost, slow, rtol=1e-4, atol=1e-6)
            told += _look_at_thresholds(asked)
            _look_at_the_cell(problem, solution, asked, user, room, float(spent[user]))
    assert told > 1


def _look_at_thresholds(asked: Asked) -> int:
    """The winner of the question anew, asked on either side."""
    count = 0
    for quantity in asked.quantities():
        for flip in asked.flips(quantity):
            for value, wins in ((flip.wins_at, True), (flip.loses_at, False)):
                problem, prices = asked.problem, asked.prices
                if quantity == "bandwidth_price":
                    prices = replace(prices, uplink=value)
                elif quantity == "server_price":
                    prices = replace(prices, server=value)
                else:
                    problem = replace(problem, **{quantity: np.array([value])})
                again = Asked(problem, prices)
                best = again.now.cost[again.best()]
                assert (best[flip.option] <= best.min() * (1 + 1e-9)) or not wins
                assert wins or best[flip.option] >= best.min()
            count += 1
    return count


def _look_at_the_cell(
    problem: Problem, solution: Answer, asked: Asked, user: int, room: float, spent: float
) -> None:
    assert solution.decision is not None
    assert solution.objective is not None
    slack = CLOSE * solution.objective
    others = np.delete(np.arange(problem.users), user)
    saved = solution.objective - enumerate_cell(problem.only(others))[0]
    assert spent - slack <= saved <= room + asked.least + slack
    for cut in asked.cuts.tolist():
        mine = asked.now.cost[asked.cut_of == asked.cuts.tolist().index(cut)].min()
        if np.isfinite(mine):
            more = enumerate_cell(with_cut(problem, user, cut))[0] - solution.objective
            assert mine - asked.least - room <= more + slack
    if np.isfinite(problem.deadline_s[user]):
        decision = solution.decision
        shares = float(decision.bandwidth_share[user]), float(decision.server_share[user])
        for change in asked.changes(np.array([0.9, 1.1]), shares, spent, room):
            deadlines = problem.deadline_s.copy()
            deadlines[user] = change.deadline_s
            more = enumerate_cell(replace(problem, deadline_s=deadlines))[0] - solution.objective
            assert change.at_least - slack <= more <= change.at_most + slack
