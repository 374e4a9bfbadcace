"""A plan of the check's own for options it is told: what refutes a bound that is too high."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.check.bound import Prices
from solvers.multiuser.check.terms import waits
from solvers.multiuser.problem import Decision, Problem

_ROUNDS = 100
_SPARE = 1e-9  # of deadlines and budgets, so that no rounding makes a plan late
_AHEAD = 1e-7  # of both prices' roots: what convergence may leave


@dataclass(frozen=True, slots=True)
class Rival:
    """Options with shares that keep the deadlines strictly, and the prices at which these are what
    is asked for.
    """

    decision: Decision
    prices: Prices


def shared_out(problem: Problem, option: Integers, prices: Prices) -> Rival | None:
    """Share the budgets out to options, from prices to begin with; None where no shares were found.

    At prices p² and q² a user takes x = r sqrt(A)/p and y = r sqrt(C)/q, where r is the larger of k
    and what its deadline asks for. The sums of these times p and q are the next p and q: a map that
    rises, and less than its argument, so that it is a contraction wherever there are such shares,
    and at prices above its fixed point nobody is asked to share more than there is.
    """
    work = problem.workloads
    row = work.first[problem.workload] + option
    up = np.sqrt(work.crossing_bit[row] / (problem.spectral_efficiency * problem.bandwidth_hz))
    on = np.sqrt(work.server_s[row])
    fixed_s = waits(problem, row)
    slack_s = (problem.deadline_s - fixed_s) * (1.0 - _SPARE)
    if np.any(slack_s < 0.0) or np.any((slack_s == 0.0) & (up + on > 0.0)):
        return None
    k = np.sqrt(problem.weight * problem.latency_weight_per_s)
    limit_s = np.where(slack_s > 0.0, slack_s, np.inf)  # what needs nothing cannot be late

    def asked(p: float, q: float) -> tuple[Floats, float, float]:
        r = np.maximum(k, (p * up + q * on) / limit_s)
        return r, float(r @ up), float(r @ on)

    p, q = np.sqrt(prices).tolist()
    for _ in range(_ROUNDS):
        _, next_p, next_q = asked(p, q)
        close = abs(next_p - p) + abs(next_q - q) <= 0.1 * _AHEAD * (next_p + next_q)
        p, q = next_p, next_q
        if close or not np.isfinite(p + q):
            break
    p, q = p * (1.0 + _AHEAD), q * (1.0 + _AHEAD)
    r, sent, served = asked(p, q)
    if not (sent <= p and served <= q):
        return None
    decision = Decision(
        option=option, bandwidth_share=_filled(r * up, sent), server_share=_filled(r * on, served)
    )
    return Rival(decision, (p * p, q * q))


def _filled(asked: Floats, total: float) -> Floats:
    """Shares in proportion that use what there is, a hair less."""
    return asked / total * (1.0 - 0.5 * _SPARE) if total > 0.0 else asked
