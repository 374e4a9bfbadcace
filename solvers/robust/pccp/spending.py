"""What the options of a cell spend, as rectangles of users by options."""

from dataclasses import dataclass

import numpy as np

from solvers import physics
from solvers.arrays import Floats, Integers
from solvers.robust.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Energy `(static + kappa f**alpha) T + radio tau + rest` of an inference, (users, options).

    Standby power is in `static_w`, `radio_w` and `rest_j`. Streams count all of it `rate_hz` times.
    """

    static_w: Floats
    kappa: Floats
    exponent: Floats
    radio_w: Floats
    rest_j: Floats  # whatever clock and share
    cheapest_hz: Floats  # clock of least energy, were there no limits

    def energy_j(self, clock_hz: Floats, device_s: Floats, uplink_s: Floats) -> Floats:
        """Energy of every option [J], of streams [W]."""
        computing = physics.compute_energy_j(self.kappa, clock_hz, device_s, self.exponent)
        radio = physics.radio_energy_j(self.radio_w, uplink_s)
        return np.asarray(computing + radio + self.static_w * device_s + self.rest_j)


def spending_of(problem: Problem, row: Integers, network_s: Floats) -> Spending:
    """What options cost; `row` (users, options) in the workload table, `network_s` beside them."""
    work = problem.workloads
    rate = np.ones(problem.users) if problem.rate_hz is None else problem.rate_hz
    radio = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
    weight, standby = rate[:, None], work.standby_power_w[problem.workload][:, None]
    static = work.static_power_w[row] + standby
    kappa, exponent = work.power_coefficient[row], work.power_exponent[row]
    per_bit = work.energy_j_per_bit[problem.workload][:, None]
    waiting = standby * (network_s + work.server_mean_s[row])
    rest = work.fixed_energy_j[row] + per_bit * work.crossing_bit[row] + waiting
    return Spending(
        static_w=weight * static,
        kappa=weight * kappa,
        exponent=exponent,
        radio_w=np.broadcast_to(weight * (radio[:, None] + standby), row.shape),
        rest_j=weight * rest,
        cheapest_hz=physics.cheapest_clock_hz(
            static, kappa, exponent, work.cycles[row], work.overhead_s[row]
        ),
    )
