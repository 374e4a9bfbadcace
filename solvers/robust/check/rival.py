"""Plans of some options that keep their limits beyond doubt: what a claimed bound is held against.

In a cell with next to nothing left, a limit that is stretched by a part of 1e-12 is worth a lot of
energy. So a rival keeps every limit with more to spare than rounding takes: the time left here is
`_DOUBT` of the deadline shorter than it is, and the uplink narrower.
"""

import numpy as np

from solvers.arrays import Floats
from solvers.robust.check.curves import Reach, efficiency_for, least_j, uplink_s
from solvers.robust.check.options import ROUNDING, Options
from solvers.robust.problem import Decision, Problem

# Twice what the time left is rounded up by, and as much for what follows.
_DOUBT = 4.0 * ROUNDING
# What a rival has to spare of every limit, relative: more than the check's own rounding.
SPARE = 1e-14


def rivals(problem: Problem, options: Options, reach: Reach, price: float) -> tuple[Decision, ...]:
    """One option per user, shared out at a price that leaves room; and with what the least shares
    leave divided evenly. No more than the first where these do not fit.
    """
    late_s = _DOUBT * problem.deadline_s[options.user]
    sends = options.unit_s > 0.0
    _, share = least_j(options, price, reach)
    plans = [_carried_out(options, share * (1.0 - _DOUBT), late_s)]
    least = _least_share_hz(options, late_s)
    left_hz = problem.bandwidth_hz * (1.0 - _DOUBT) - float(least.sum())
    if left_hz > 0.0 and sends.any():
        plans.append(
            _carried_out(options, np.where(sends, least + left_hz / sends.sum(), 0.0), late_s)
        )
    return tuple(plans)


def _least_share_hz(options: Options, late_s: Floats) -> Floats:
    """Share at which the largest clock is in time, rounded up; 0 where silent."""
    unit = np.where(options.unit_s > 0.0, options.unit_s, 1.0)
    stretch = np.maximum((options.uplink_most_s() - late_s) / unit, 1.0)
    u = efficiency_for(stretch, options.cap_u)
    # The efficiency is rounded up, by a part that counts as often as it is large.
    share = options.scale_hz / np.expm1(u) * (1.0 + _DOUBT * (1.0 + u))
    return np.where(options.unit_s > 0.0, share, 0.0)


def _carried_out(options: Options, share_hz: Floats, late_s: Floats) -> Decision:
    """Shares with the clocks that are in time beside them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.log1p(options.scale_hz / share_hz)
        uplink = np.where(options.unit_s > 0.0, uplink_s(options, u, np.expm1(u)), 0.0)
        asked = options.cycles / np.maximum(options.left_s - uplink - late_s, 1e-300)
    clock = np.clip(asked * (1.0 + 1e-12), options.clock_min_hz, options.clock_max_hz)
    return Decision(option=options.option, frequency_hz=clock, bandwidth_hz=share_hz)
