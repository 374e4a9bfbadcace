"""Small cells of every family that use every term of its formulas.

The imports are those of functions: a fault is planted before the solvers are loaded.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np


def cells() -> Iterator[Any]:
    """All of them, in the same order every time."""
    yield from _robust_cells()
    yield from _tight_cells()
    yield from _metered_cells()
    yield from _streaming_cells()
    yield from _multiuser_cells()
    yield from _stopping_cells()


def _robust_cells() -> Iterator[Any]:
    from solvers.margin import Margin
    from tests.support.robust.cells import random_cell

    drawn = (
        (1, 5, "generic"),
        (2, 4, "levels"),
        (3, 5, "generic"),
        (4, 4, "levels"),
        (9, 5, "generic"),  # here a dual bound that is too high shows
    )
    for seed, users, kind in drawn:
        cell = random_cell(np.random.default_rng(seed), users, 5, kind)
        yield replace(cell, network_mean_s=2e-3, network_variance_s2=1e-6)
        yield replace(cell, margin=Margin.GAUSSIAN, risk=np.minimum(cell.risk, 0.2))


def _tight_cells() -> Iterator[Any]:
    """Every deadline binds, so that each part of the time and of its variance counts."""
    from solvers.margin import Margin
    from tests.support.robust.cells import a_cell

    users = 4
    tight = a_cell(users)
    noisy = replace(
        tight.workloads,
        overhead_s=tight.workloads.overhead_s + 3e-3 * (1 + tight.workloads.cut),
        server_mean_s=tight.workloads.server_mean_s + 2e-3,
        server_variance_s2=tight.workloads.server_variance_s2 + 4e-6,
        device_variance_s2=tight.workloads.device_variance_s2 + 1e-6 * (1 + tight.workloads.cut),
    )
    correlation = np.full(users, 0.6)
    for slower in (1.0, 1.3):
        cell = replace(
            tight,
            workloads=noisy,
            deadline_s=tight.deadline_s * slower,
            network_mean_s=4e-3,
            network_variance_s2=4e-6,
            correlation=correlation,
        )
        yield cell
        yield replace(cell, margin=Margin.GAUSSIAN)
        yield replace(cell, correlation=-correlation)


def _metered_cells() -> Iterator[Any]:
    """Measured power, radios, rate laws, codecs, results, streams and servers, drawn together."""
    from tests.support.robust.everything import TERMS, random_cell_with_everything

    for seed in (0, 2, 4, 5, 8, 10, 11):
        yield random_cell_with_everything(np.random.default_rng(seed), 2 + seed % 2, TERMS, 5)
    some = ("streams", "servers", "static", "codecs")
    for seed, users in ((71, 4), (116, 4), (37, 6)):  # here a wrong price of servers shows
        yield random_cell_with_everything(np.random.default_rng(seed), users, some, 5)


def _streaming_cells() -> Iterator[Any]:
    """Cameras whose servers, stages, codecs and deadlines all bind, under a rate law with a cap."""
    from solvers.margin import Margin
    from solvers.rate_law import RateLaw
    from tests.support.robust.cells import a_cell

    users = 3
    base = a_cell(users)
    work, sends = base.workloads, base.workloads.crossing_bit > 0.0
    computes = work.cycles > 0.0
    metered = replace(
        work,
        overhead_s=np.where(computes, 4e-3, 0.0),
        static_power_w=np.full(len(work.cut), 0.05),
        power_coefficient=4.0 / 1.9e9**2.2 * np.ones(len(work.cut)),
        power_exponent=np.full(len(work.cut), 2.2),
        fixed_energy_j=np.where(computes, 0.02, 0.0),
        energy_j_per_bit=np.array([5e-9]),
        standby_power_w=np.array([0.03]),
        device_variance_s2=np.where(computes, 4e-6, 0.0),
        device_variance_low_s2=np.where(computes, 1e-6, 0.0),
        device_excess_s=np.where(computes, 9e-3, 0.0),
        server_excess_s=np.where(sends, 2e-3, 0.0),
        crossing_bit=0.2 * work.crossing_bit,
        crossing_most_bit=0.35 * work.crossing_bit,
        result_bit=np.where(sends, 8e4, 0.0),
        loss=np.linspace(0.04, 0.0, len(work.cut)),
        server_load_s=work.server_mean_s[:, None],
    )
    whole_s = float(work.server_mean_s[0])
    cell = replace(
        base,
        workloads=metered,
        bandwidth_hz=12e6,
        rate_law=RateLaw(efficiency=0.6, max_bps_per_hz=3.0, snr_gap=2.0),
        downlink_bps=4e6,
        network_mean_s=3e-3,
        radio_power_w=np.full(users, 1.6),
        max_loss=np.array([0.03, 0.05, 0.02]),
        deadline_s=np.full(users, 0.4),
        rate_hz=np.array([4.0, 5.0, 6.0]),
        server_capacity=(8.0 * whole_s,),
    )
    for busy in (0.4, 0.8, 1.6):
        yield replace(cell, server_capacity=(8.0 * whole_s * busy,))
    yield replace(cell, bandwidth_hz=3e6)
    # A server with time for all but a hair of what all would rather ask of it.
    rather_s = float(np.array([4.0, 5.0, 6.0]) @ work.server_mean_s[[4, 2, 5]])
    yield replace(cell, server_capacity=(rather_s / 1.03,))
    fast = np.array([6.0, 7.0, 7.5])
    for margin in (Margin.CANTELLI, Margin.GAUSSIAN, Margin.WORST_CASE):
        yield replace(cell, margin=margin, rate_hz=fast)
        yield replace(cell, margin=margin, rate_hz=fast, server_capacity=(whole_s,))
    # Who sends for nearly nothing leaves the uplink to the others, as long as its stream keeps up.
    yield replace(
        cell,
        deadline_s=np.full(users, 2.0),
        radio_power_w=np.array([3.0, 0.01, 3.0]),
        server_capacity=(1.0,),
    )
    for deadline in (0.13, 0.16, 0.2):
        yield replace(cell, deadline_s=np.full(users, deadline), rate_hz=0.1 * fast)


def _multiuser_cells() -> Iterator[Any]:
    from tests.support.multiuser.cells import a_cell

    for seed in range(4):
        yield a_cell(seed, 5, deadlines=seed % 2 == 0)


def _stopping_cells() -> Iterator[Any]:
    from tests.support.stopping.problems import a_problem

    for seed in range(3):
        yield a_problem(users=2, seed=seed, clairvoyant=False)
