"""Random cells to plan and random options to tabulate, with the shapes networks have: work shifts
to the device as the cut moves, and features mostly shrink."""

from dataclasses import replace

import numpy as np

from solvers.arrays import Floats
from solvers.multiuser.problem import Problem, Workloads
from solvers.multiuser.table import TableProblem


def workloads(
    rng: np.random.Generator, kinds: int, options: int, server_load: float = 1.0
) -> Workloads:
    """Some networks of up to `options` cuts, whole on the device in 50 to 500 ms."""
    size = rng.integers(min(options, 3), options + 1, kinds)
    device, server, crossing, loss, cut = [], [], [], [], []
    for count in size:
        total = rng.uniform(0.05, 0.5)
        done = np.sort(np.concatenate([[0.0], rng.random(count - 2), [1.0]]))
        device.append(total * done)
        server.append(server_load * total * rng.uniform(0.01, 0.1) * (1.0 - done))
        bits = rng.exponential(2e6, count) * np.exp(-2.0 * done)
        bits[-1] = 0.0
        crossing.append(bits)
        lost = np.round(rng.exponential(0.02, count), 3) * (rng.random(count) < 0.5)
        lost[-1] = 0.0
        loss.append(np.minimum(lost, 1.0))
        cut.append(np.arange(count))
    return Workloads(
        first=np.concatenate([[0], np.cumsum(size)]),
        cut=np.concatenate(cut),
        bits=np.full(size.sum(), 8),
        device_s=np.concatenate(device),
        crossing_bit=np.concatenate(crossing),
        server_s=np.concatenate(server),
        loss=np.concatenate(loss),
    )


def a_cell(
    seed: int,
    users: int,
    *,
    kinds: int = 3,
    options: int = 6,
    deadlines: bool = False,
    hertz_per_user: float = 1e6,
    server_load: float = 1.0,
) -> Problem:
    """A cell in which cuts compete, and perhaps too many of them for its budgets.

    `deadlines` gives three users in five one near their time on the device, and one in five a limit
    on its loss; each could be served if it were alone.
    """
    rng = np.random.default_rng(seed)
    work = workloads(rng, kinds, options, server_load * 5.0 / users)
    kind = rng.integers(0, kinds, users)
    alone = work.device_s[work.first[kind + 1] - 1]
    deadline = np.where(
        rng.random(users) < 0.6, alone * rng.uniform(0.6, 1.3, users) + 0.05, np.inf
    )
    strict = rng.random(users) < 0.2
    deadline = np.where(strict, np.maximum(deadline, alone), deadline)
    cell = Problem(
        bandwidth_hz=hertz_per_user * users,
        server_flop_per_s=3.5e12,
        latency_weight_per_s=float(rng.uniform(0.5, 2.0)),
        loss_weight=float(rng.choice([0.0, 1.0, 5.0])),
        network_s=0.01,
        workloads=work,
        workload=kind,
        spectral_efficiency=rng.uniform(0.5, 6.0, users),
        weight=rng.uniform(0.5, 2.0, users),
        deadline_s=deadline if deadlines else np.full(users, np.inf),
        max_loss=np.where(strict, 0.01, 1.0) if deadlines else np.ones(users),
    )
    return replace(cell, deadline_s=np.maximum(cell.deadline_s, 1.1 * least_latency_s(cell)))


def least_latency_s(cell: Problem) -> Floats:
    """What each user would need with everything for itself, whatever the loss."""
    work = cell.workloads
    fixed = work.device_s + work.server_s + cell.network_s * (work.crossing_bit > 0)
    rate = cell.bandwidth_hz * cell.spectral_efficiency
    rows = [slice(*work.first[kind : kind + 2]) for kind in cell.workload]
    return np.array(
        [
            (fixed[row] + work.crossing_bit[row] / at).min()
            for row, at in zip(rows, rate, strict=True)
        ]
    )


def a_short_cell(seed: int, users: int = 4) -> Problem:
    """Deadlines that everyone can keep alone, mostly too many for both budgets."""
    cell = a_cell(seed, users, options=4, hertz_per_user=2e5, server_load=3.0)
    return replace(cell, deadline_s=1.3 * least_latency_s(cell))


def some_options(rng: np.random.Generator) -> TableProblem:
    """Up to a dozen options; a third of the sets on a coarse grid, full of equal options and
    parallel lines.
    """
    count = int(rng.integers(1, 13))
    coarse = rng.random() < 1 / 3

    def drawn(values: Floats) -> Floats:
        return np.round(values, 1) if coarse else values

    return TableProblem(
        latency_weight_per_s=float(rng.uniform(0.1, 3.0)),
        loss_weight=float(rng.choice([0.0, 1.0])),
        network_s=float(rng.choice([0.0, 0.02])),
        deadline_s=float(rng.choice([np.inf, rng.uniform(0.1, 2.0)])),
        max_loss=float(rng.choice([1.0, 0.3])),
        cut=np.arange(count),
        bits=np.full(count, 8),
        device_s=drawn(rng.random(count)),
        crossing_bit=drawn(rng.exponential(1.0, count)) * 1e6 * (rng.random(count) < 0.8),
        server_s=drawn(0.3 * rng.random(count)),
        loss=drawn(0.5 * rng.random(count)),
    )
