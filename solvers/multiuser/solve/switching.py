"""What leaving a previous option costs where only some users may switch."""

import numpy as np

from solvers.arrays import Floats
from solvers.multiuser.solve.fleet import Fleet


def with_switches_priced(fleet: Fleet, cost: Floats, offset: Floats) -> tuple[Floats, Floats]:
    """Costs (prices, users, options) and offsets of a bound that also heeds how many users may
    switch.

    At each pair of prices a switch costs what makes just as many worth it as are allowed.
    """
    if fleet.max_switches is None or fleet.previous is None:
        return cost, offset
    held = np.flatnonzero(fleet.previous >= 0)
    stay = cost[:, held, fleet.previous[held]]
    gain = np.sort(np.maximum(stay - cost[:, held].min(axis=2), 0.0), axis=1)[:, ::-1]
    switch = (
        gain[:, fleet.most_switches] if fleet.most_switches < len(held) else np.zeros(len(cost))
    )
    switch = np.where(np.isfinite(switch), switch, 0.0)
    away = (fleet.previous[:, None] >= 0) & (fleet.previous[:, None] != np.arange(fleet.options))
    return cost + switch[:, None, None] * away, offset + switch * fleet.most_switches
