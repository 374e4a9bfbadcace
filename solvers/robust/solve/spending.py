"""What the energy of an option is made of, as columns of its curve.

Energy of one inference: (P_s + kappa f^alpha)(c/f + t0) + W tau + constant, where tau is the uplink
time of the most bits that may cross. Standby power is drawn all the time, so it adds to P_s, to W
and to what waiting costs; streams count every watt and joule `rate_hz` times.
"""

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.physics import cheapest_clock_hz, clock_power_w
from solvers.robust.budget import TimeBudget
from solvers.robust.problem import Problem, Workloads

# Times are good to this part of the deadline and of all that is taken from it: a few roundings of
# sums, of the margin and of the uplink time (its unit, exponential and logarithm).
TIME_ERROR = 8 * 2.0**-52
# And variances to this part of what is added and taken off.
CANCELLED = 4 * 2.0**-52


def spending_of(problem: Problem, budget: TimeBudget) -> dict[str, Floats]:
    """Columns of `Energies` for all pairs of a budget: those of the general law only where power is
    no cube of the clock, or not all of it.
    """
    work, row, user = problem.workloads, budget.row, budget.user
    radio = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
    columns = {
        "radio_w": radio[user],
        "kappa": work.power_coefficient[row],
        "clock_min_hz": work.clock_min_hz[row],
    }
    if problem.rate_hz is not None or not _cubic(work, row):
        columns = _general(problem, budget, columns)
    most, expected = work.crossing_most_bit, work.crossing_bit
    if not np.array_equal(_of(most, row), _of(expected, row)):
        # The curve is that of the time for the most bits; the radio sends the expected ones.
        most, expected = most[row], expected[row]
        part = np.where(most > 0.0, expected / np.where(most > 0.0, most, 1.0), 1.0)
        columns["radio_w"] = columns["radio_w"] * part
    return columns


def _of(column: Floats, row: Integers) -> Floats:
    """A column at some rows; all of it where that is less: what none has, these have not."""
    return column if len(column) <= len(row) else column[row]


def _cubic(work: Workloads, row: Integers) -> bool:
    """Whether all that some rows spend is kappa f³ and what the radio draws."""
    return not (
        work.standby_power_w.any()
        or work.energy_j_per_bit.any()
        or _of(work.static_power_w, row).any()
        or _of(work.fixed_energy_j, row).any()
        or np.any(_of(work.power_exponent, row) != 3.0)
    )


def _general(problem: Problem, budget: TimeBudget, columns: dict[str, Floats]) -> dict[str, Floats]:
    """All columns, of one inference per `rate_hz`."""
    work, row, user = problem.workloads, budget.row, budget.user
    workload = problem.workload[user]
    standby = work.standby_power_w[workload]
    static = work.static_power_w[row] + standby
    cycles, overhead = work.cycles[row], work.overhead_s[row]
    clock_max = work.clock_max_hz[row]
    cheapest = cheapest_clock_hz(
        static, columns["kappa"], work.power_exponent[row], cycles, overhead
    )
    clock = np.maximum(columns["clock_min_hz"], np.minimum(cheapest, clock_max))
    weight = np.ones(len(row)) if problem.rate_hz is None else problem.rate_hz[user]
    general = {
        "radio_w": (columns["radio_w"] + standby) * weight,
        "kappa": columns["kappa"] * weight,
        "clock_min_hz": clock,
        "static_w": static * weight,
        "exponent": work.power_exponent[row],
        "constant_j": weight
        * (
            work.fixed_energy_j[row]
            + work.energy_j_per_bit[workload] * work.crossing_bit[row]
            + standby * (budget.network_s + work.server_mean_s[row])
        ),
        "stage_s": np.full(len(row), np.inf),
        "doubt_j": np.zeros(len(row)),
    }
    return general if budget.stages is None else _in_stage(problem, budget, general)


def _in_stage(
    problem: Problem, budget: TimeBudget, columns: dict[str, Floats]
) -> dict[str, Floats]:
    """The columns with clocks that keep up with the stream.

    Rounding of such a clock may cost what a second more for the cycles saves.
    """
    stages, work, row = budget.stages, problem.workloads, budget.row
    assert stages is not None
    cycles, overhead = work.cycles[row], work.overhead_s[row]
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.where(cycles > 0.0, cycles / np.maximum(stages.cycles_s, 0.0), 0.0)
    least = np.minimum(least, work.clock_max_hz[row])
    power = clock_power_w(
        columns["static_w"], columns["kappa"], columns["exponent"], least, cycles, overhead
    )
    error = TIME_ERROR * (stages.period_s + overhead + np.abs(stages.device_margin_s))
    slower = columns["clock_min_hz"]
    return columns | {
        "clock_min_hz": np.maximum(slower, least),
        "stage_s": stages.period_s,
        "doubt_j": np.where(least > slower, error * np.maximum(power, 0.0), 0.0),
    }
