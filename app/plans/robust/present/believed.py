"""How far the device's time of a plan can be believed where it was estimated, not measured."""

import numpy as np

from app.plans.robust.cells import Cell
from solvers.arrays import Floats, Integers

INTERVAL = ("device_low_s", "device_high_s")


def estimated(cell: Cell) -> bool:
    """Whether some device's times are shares of a whole network's."""
    return any(run.device_timing.body.estimated is not None for run in cell.runs)


def device_interval(cell: Cell, cut: Integers, device_s: Floats) -> tuple[Floats, Floats]:
    """Ends of the device's time up to each user's cut [s], (users,): in nine of ten networks all
    shares lie between such ends. A time that was measured is both.
    """
    low, high = device_s.copy(), device_s.copy()
    for workload, run in enumerate(cell.runs):
        how = run.device_timing.body.estimated
        if how is None:
            continue
        mine = cell.problem.workload == workload
        share, least, most = (
            np.array(each)[cut[mine]] for each in (how.share, how.share_low, how.share_high)
        )
        told = share > 0.0
        whole_s = np.where(told, device_s[mine] / np.where(told, share, 1.0), how.whole_s)
        low[mine], high[mine] = whole_s * least, whole_s * most
    return low, high
