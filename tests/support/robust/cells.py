"""Cells to plan: an AlexNet-like network on a Jetson-class CPU over an LTE-like uplink, and random
relatives of it.
"""

from typing import Any

import numpy as np

from solvers.margin import Margin
from solvers.robust.problem import Problem, Workloads

N0 = 10 ** (-174 / 10) / 1000.0  # W/Hz, thermal noise


def workloads(
    *,
    cycles: list[float],
    crossing_bit: list[float],
    clock_hz: tuple[float, float] = (0.2e9, 1.9e9),
    kappa: float = 1.4e-28,
    overhead_s: float = 0.0,
    cv: float = 0.05,
    server_flops: float = 2e11,
    flop_per_cycle: float = 4.0,
    levels_hz: list[float] | None = None,
    excess: float = float("nan"),
) -> Workloads:
    """One workload: a cut per entry, standard deviations a fixed part of the means at the largest
    clock.
    """
    cut = np.arange(len(cycles))
    c, bits = np.array(cycles, dtype=float), np.array(crossing_bit, dtype=float)
    overhead = np.where(c > 0, overhead_s, 0.0)
    server = (c[-1] - c) * flop_per_cycle / server_flops
    low, high = np.full(len(c), clock_hz[0]), np.full(len(c), clock_hz[1])
    deviation = cv * (c / clock_hz[1] + overhead)
    if levels_hz is not None:
        count = len(levels_hz)
        clock = np.tile(levels_hz, len(c))
        cut, bits, server, deviation = (np.repeat(v, count) for v in (cut, bits, server, deviation))
        overhead = np.repeat(c, count) / clock + np.repeat(overhead, count)
        c, low, high = np.zeros(len(cut)), clock, clock
    return Workloads(
        first=np.array([0, len(cut)]),
        standby_power_w=np.zeros(1),
        energy_j_per_bit=np.zeros(1),
        static_power_w=np.zeros(len(cut)),
        power_coefficient=np.full(len(cut), kappa),
        power_exponent=np.full(len(cut), 3.0),
        fixed_energy_j=np.zeros(len(cut)),
        cut=cut,
        clock_min_hz=low,
        clock_max_hz=high,
        cycles=c,
        overhead_s=overhead,
        device_variance_s2=deviation**2,
        device_variance_low_s2=deviation**2,
        device_excess_s=np.full(len(cut), excess),
        crossing_bit=bits,
        crossing_most_bit=bits,
        result_bit=np.zeros(len(cut)),
        server_load_s=np.zeros((len(cut), 0)),
        loss=np.zeros(len(cut)),
        server_mean_s=server,
        server_variance_s2=(0.1 * server) ** 2,
        server_excess_s=np.full(len(cut), excess),
        fits_memory=np.ones(len(cut), dtype=bool),
    )


def joined(parts: list[Workloads]) -> Workloads:
    """Several workloads in one table."""
    rows = np.cumsum([0, *(count for part in parts for count in np.diff(part.first))])
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Workloads.__slots__
        if name != "first"
    }
    return Workloads(first=rows, **columns)


ALEXNET_FLOP = np.cumsum(
    [0, 140e6, 0.1e6, 448e6, 0.1e6, 224e6, 300e6, 200e6, 75.5e6, 33.6e6, 8.2e6]
)
ALEXNET_BIT = 32.0 * np.array(
    [150528, 193600, 46656, 139968, 32448, 64896, 43264, 9216, 4096, 4096, 0]
)


def a_cell(users: int = 12, **changes: Any) -> Problem:
    """AlexNet cameras around a 10 MHz cell."""
    rng = np.random.default_rng(users)
    table = changes.pop("workloads", None)
    if table is None:
        table = workloads(
            cycles=list(ALEXNET_FLOP / 7.0), crossing_bit=list(ALEXNET_BIT), flop_per_cycle=7.0
        )
    values: dict[str, Any] = {
        "bandwidth_hz": 10e6 * users / 12,
        "noise_w_per_hz": N0,
        "workloads": table,
        "workload": np.zeros(users, dtype=np.int64),
        "tx_power_w": np.full(users, 0.2),
        "gain": 10 ** (-(15.3 + 37.6 * np.log10(rng.uniform(30, 250, users))) / 10),
        "deadline_s": np.full(users, 0.2),
        "risk": np.full(users, 0.02),
        "correlation": np.zeros(users),
    }
    return Problem(**(values | changes))


def random_cell(rng: np.random.Generator, users: int, cuts: int, kind: str = "generic") -> Problem:
    """A cell of its own networks, devices, places and deadlines.

    kind: `generic`; `tight` (just above its least bandwidth); `infeasible`; `tied` (all users
    alike); `single` (one option each); `levels` (discrete clocks).
    """
    count = 1 if kind in ("tied", "single") else int(rng.integers(1, users + 1))
    options = 1 if kind == "single" else cuts
    parts = []
    for _ in range(count):
        total = 10 ** rng.uniform(7.5, 9.5)
        share = np.sort(rng.uniform(0, 1, options - 1))
        cycles = np.concatenate(([0.0], share * total)) if options > 1 else np.array([0.3 * total])
        bits = 10 ** rng.uniform(4.5, 6.8, options)
        if options > 1 and rng.random() < 0.6:
            cycles[-1], bits[-1] = total, 0.0
        top = rng.uniform(0.8e9, 2.5e9)
        levels = np.linspace(0.3e9, top, 3).tolist() if kind == "levels" else None
        parts.append(
            workloads(
                cycles=cycles.tolist(),
                crossing_bit=bits.tolist(),
                clock_hz=(top * rng.choice([0.1, 0.5, 0.9]), top),
                kappa=10 ** rng.uniform(-28.5, -26.5),
                overhead_s=float(rng.choice([0.0, 0.01])),
                cv=float(rng.uniform(0.0, 0.1)),
                server_flops=10 ** rng.uniform(10.5, 12),
                levels_hz=levels,
            )
        )
    table = joined(parts)
    alike = kind == "tied"
    same = (lambda values: np.full(users, values[0])) if alike else (lambda values: values)
    workload = np.zeros(users, dtype=np.int64) if alike else rng.integers(0, count, users)
    slowest = np.array(
        [(part.cycles / part.clock_max_hz + part.overhead_s).max() for part in parts]
    )
    return Problem(
        bandwidth_hz=users * 10 ** rng.uniform(5.0, 6.5),
        noise_w_per_hz=N0,
        margin=Margin(rng.choice(["cantelli", "gaussian", "mean"])),
        network_mean_s=float(rng.choice([0.0, 0.005])),
        network_variance_s2=float(rng.choice([0.0, 1e-6])),
        workloads=table,
        workload=workload,
        tx_power_w=same(rng.uniform(0.1, 1.0, users)),
        gain=same(10 ** rng.uniform(-12.5, -8.0, users)),
        deadline_s=same(
            slowest[workload] * rng.uniform(0.5, 2.5, users) + rng.uniform(0.02, 0.2, users)
        ),
        risk=same(rng.uniform(0.01, 0.4, users)),
        correlation=same(rng.uniform(-0.5, 0.9, users)),
    )
