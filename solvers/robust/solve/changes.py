"""What repairs change, and what that costs."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.robust.problem import Problem


class Change(StrEnum):
    """What a repair changes."""

    DROP = "drop"
    DEADLINE = "deadline"
    RISK = "risk"
    BANDWIDTH = "bandwidth"
    SERVER = "server"
    MIXED = "mixed"  # several of these, for each user one at the most


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a unit of each change costs; infinite: it is not for sale."""

    drop: Floats  # (users,) of leaving out each
    deadline_per_s: float = np.inf
    risk: float = np.inf  # of one more of a risk
    bandwidth_per_hz: float = np.inf
    server: Floats  # (servers,) of one more second per second of each


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A cell changed so that it has a plan, with what that costs."""

    change: Change
    cost: float
    at_least: float  # proven: no repair by these changes costs less
    users: Integers  # who stays, rising
    problem: Problem  # of these users
