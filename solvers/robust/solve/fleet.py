"""Large cells: options are laid out by blocks of users; those that reduced costs fix do not stay.

A sample of the users, with its part of the uplink, tells where the price lies. Then every block is
priced once at both ends of a bracket around it, and options that are nobody's choice between them
are dropped: little more than one per user is left, and memory grows with the users, not with their
options.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats
from solvers.progress import Progress, Stage
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import Candidates, in_blocks, options_of
from solvers.robust.solve.dual import Relaxation, maximise, not_fixed, points_at
from solvers.robust.solve.remedies import all_least_shares, least_shares

# The sample's price is good to about its square root; a bracket that misses is widened and the
# sweep repeated.
_REACH = 0.1
_SWEEPS = 12
_SAMPLE = 2_048
# Least shares carry rounding; a little more for everybody than they leave costs a large cell's
# bound nothing.
_SURELY = 1.0 - 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracketed:
    """The relaxation of a cell; in a large one without the options that reduced costs fix at zero
    for all prices between two around the best.
    """

    relaxation: Relaxation
    between: tuple[float, float] | None  # None: the relaxation is whole


def relax_in_blocks(problem: Problem, progress: Progress) -> Bracketed | Floats | None:
    """The relaxation of a large cell; each user's least share where there is no plan; None where
    nothing can be dropped.
    """
    progress.stage(Stage.SWEEP, 0.0, 0.2)
    least = all_least_shares(problem, progress)
    if not least.sum() <= problem.bandwidth_hz:
        return least
    price = _sampled_price(problem)
    if price == 0.0:
        return None
    low, high, reach = price / (1.0 + _REACH), price * (1.0 + _REACH), _REACH
    for _ in range(_SWEEPS):
        progress.stage(Stage.SWEEP, 0.2, 0.5)
        relaxation, demand = _sweep(
            problem, _SURELY * float(least.sum()), np.array([low, high]), progress
        )
        if demand[0] > problem.bandwidth_hz >= demand[1]:
            return Bracketed(relaxation=relaxation, between=(low, high))
        reach *= 4.0
        low, high = (
            (low / (1.0 + reach), low)
            if demand[0] <= problem.bandwidth_hz
            else (high, high * (1.0 + reach))
        )
    return None


def _sampled_price(problem: Problem) -> float:
    """The best price of some of the users with their part of the uplink."""
    users = np.linspace(0, problem.users - 1, min(_SAMPLE, problem.users)).astype(np.int64)
    options, possible = options_of(problem, users)
    least = float(least_shares(options, possible).sum())
    share = problem.bandwidth_hz * len(users) / problem.users
    relaxation = (
        Relaxation(options.keep(possible), max(share, least * (1.0 + 1e-9)))
        .worth_sending()
        .priceable()
    )
    return maximise(relaxation, 1e-6).price


def _sweep(
    problem: Problem, least_total_hz: float, prices: Floats, progress: Progress
) -> tuple[Relaxation, Floats]:
    """The options not fixed at zero between two prices, and the demand at each."""
    parts: list[Candidates] = []
    demand = np.zeros(len(prices))
    bound_j = np.zeros(len(prices))
    for users in in_blocks(problem):
        progress.tick(users[0] / problem.users)
        options, possible = options_of(problem, users)
        relaxation = Relaxation(
            options.keep(possible), problem.bandwidth_hz, least_total_hz=least_total_hz
        )
        relaxation = relaxation.worth_sending().priceable()
        low, high = points_at(relaxation, prices)
        demand += np.array([low.excess_hz, high.excess_hz]) + problem.bandwidth_hz
        bound_j += np.array([low.bound_j, high.bound_j]) + prices * problem.bandwidth_hz
        parts.append(relaxation.options.keep(not_fixed(relaxation, low, high)))
    # The least of every user at a price, less what the uplink is worth at it: the dual there.
    progress.bound = float((bound_j - prices * problem.bandwidth_hz).max())
    options = Candidates.joined(parts)
    return Relaxation(
        options, problem.bandwidth_hz, least_total_hz=least_total_hz, progress=progress
    ), demand
