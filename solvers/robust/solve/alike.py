"""Users who are the same to a plan: with their names exchanged it costs the same."""

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.robust.problem import Problem
from solvers.robust.solve.dual import Relaxation

_HALVINGS = 40
_SURELY = 1.0 - 1e-9  # shares are compared with more than their rounding to spare


def classes(problem: Problem, whatever_channel: Booleans | None = None) -> Integers:
    """The same number for users who are the same in everything, (users,); those of
    `whatever_channel` may differ in what tells in the channel alone.
    """
    gain, radiated = problem.gain, problem.tx_power_w
    if whatever_channel is not None:
        gain = np.where(whatever_channel, 1.0, gain)
        if problem.radio_power_w is not None:  # else what is radiated is what is drawn
            radiated = np.where(whatever_channel, 1.0, radiated)
    columns = (
        problem.workload,
        radiated,
        gain,
        problem.deadline_s,
        problem.risk,
        problem.correlation,
        *(
            column
            for column in (problem.radio_power_w, problem.rate_hz, problem.max_loss)
            if column is not None
        ),
    )
    number: dict[tuple[float, ...], int] = {}
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return np.array([number.setdefault(row, len(number)) for row in rows], dtype=np.int64)


def classes_in_reach(
    problem: Problem, relaxation: Relaxation, plan_j: float, bound_j: float, price: float
) -> Integers:
    """As `classes`, for plans cheaper than `plan_j`: users whose rate law is at its cap over every
    share that such a plan may give any of them are the same whatever their channels.

    Parameters
    ----------
    bound_j, price : a bound on all plans, and the price [J/Hz] that gave it.

    Notes
    -----
    With a user at an option and a share b a plan costs at least the bound and what E(b) + price b
    is beyond the user's best at the price. So b lies below a number for every option, and below a
    cap's share R(b) = b c_max for all alike: exchanged among such users, a share is worth the same.
    """
    options = relaxation.options
    curves = options.curves
    if not curves.capped:
        return classes(problem)
    value, share = (row[0] for row in relaxation.priced_j(np.array([price])))
    spare = plan_j - bound_j + options.least(value)[options.user()]
    useful_hz = _useful_hz(relaxation, spare, price, share)
    # What costs more than is to spare at its best is in no cheaper plan.
    useful = -options.least(-np.where(value <= spare, useful_hz, 0.0))
    cap_hz = curves.scale_hz[options.first[:-1]] / np.expm1(curves.cap) * _SURELY
    same = useful <= cap_hz
    same &= cap_hz >= np.max(useful, where=same, initial=0.0)
    return classes(problem, same)


def _useful_hz(relaxation: Relaxation, spare_j: Floats, price: float, best_hz: Floats) -> Floats:
    """Shares beyond which E(b) + price b is more than is to spare, (options,); 0 where it is at
    its best, at `best_hz`, or nothing is sent.
    """
    curves = relaxation.options.curves
    largest = (spare_j - curves.surely_j(relaxation.x_least)) / price
    useful = curves.sends & (largest > best_hz)
    low, high = best_hz, np.where(useful, largest, best_hz)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        x = np.maximum(curves.x_at(np.where(useful, middle, 1.0)), relaxation.x_least)
        over = curves.surely_j(x) + price * middle > spare_j
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.where(useful, high, 0.0)
