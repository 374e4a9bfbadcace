"""Why not another cut: what the whole cell would spend at least, or what stops it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.robust.budget import FULL
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import Candidates, options_of
from solvers.robust.solve.dual import Relaxation
from solvers.robust.solve.infeasible import Binding, Reasons, reasons_of
from solvers.robust.solve.remedies import least_shares
from solvers.robust.solve.shares import ROUNDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """One entry per (user, cut), user by user and cut by cut."""

    user: Integers
    cut: Integers
    cell_energy_at_least_j: (
        Floats  # proven for every plan in which the user takes the cut; NaN where there is none
    )
    binding: tuple[Binding | None, ...]  # what stops the cut even alone
    short_by_s: Floats  # NaN where nothing stops the cut, or memory does
    # uplink missing beside the least shares of the others; NaN where it does for the cut
    short_by_hz: Floats


def why_not(problem: Problem, prices: Mapping[str, float]) -> Alternatives:
    """Hold every cut of every user against the best price of a cell that has a plan.

    With the reduced cost of the user's cheapest option of the cut, L(price) + reduced cost bounds
    every plan that takes it; `prices` are those of the solution, of which the dual's are taken,
    where the bound is at its best.
    """
    # What is planned where a limit is missed by rounding is not ruled out, and bounded, here too.
    asked, problem = problem, problem.at_tolerance()
    options, possible = options_of(problem)
    relaxation = Relaxation(options.keep(possible), problem.bandwidth_hz).priceable()
    value, least, bound = _priced(problem, relaxation, prices)
    lifted = np.full(len(options.option), np.inf)
    lifted[possible] = bound + value - least[relaxation.options.user()]
    # Beside what the others need at least, an option that works alone may find too little of the
    # uplink.
    shares = least_shares(options, possible)
    short = (
        options.curves.least_hz - (problem.bandwidth_hz - (shares.sum() - shares))[options.user()]
    )
    crowded = possible & (short > ROUNDING * problem.bandwidth_hz)
    lifted[crowded] = np.inf
    full = possible & ~_room(problem, options, possible)
    lifted[full] = np.inf
    seen = _Seen(options, possible, lifted, short, full)
    return _by_cut(problem, reasons_of(asked, np.arange(problem.users)), seen)


@dataclass(frozen=True, slots=True)
class _Seen:
    """Every option of every user, (options,)."""

    options: Candidates
    possible: Booleans  # works alone
    lifted: Floats  # what the cell spends at least with it; infinite where it cannot
    short_hz: Floats  # of the uplink beside the others' least shares
    full: Booleans  # no server has room beside what the others need of it


def _by_cut(problem: Problem, reasons: Reasons, seen: _Seen) -> Alternatives:
    """Options gathered by user and cut: what the cell spends at least, or what stops the cut."""
    options, possible = seen.options, seen.possible
    # Options are in the order of users; reasons have one entry per user and cut.
    row = problem.workloads.first[problem.workload[options.user()]] + options.option
    cuts = int(problem.workloads.cut.max()) + 1
    entry = np.searchsorted(
        reasons.user * cuts + reasons.cut, options.user() * cuts + problem.workloads.cut[row]
    )
    energy = np.full(len(reasons.cut), np.inf)
    np.minimum.at(energy, entry, seen.lifted)
    alone = np.zeros(len(energy), dtype=bool)
    alone[entry[possible]] = True
    missing = np.full(len(energy), np.inf)
    np.minimum.at(missing, entry[possible], np.maximum(seen.short_hz[possible], 0.0))
    runs = np.isfinite(energy)
    # Cuts whose every option that works alone finds no room on a server.
    served = np.zeros(len(energy), dtype=bool)
    served[entry[possible & ~seen.full]] = True
    no_room = alone & ~served
    return Alternatives(
        user=reasons.user,
        cut=reasons.cut,
        cell_energy_at_least_j=np.where(runs, energy, np.nan),
        binding=tuple(
            Binding.SERVER if crowd else None if works else name
            for works, crowd, name in zip(
                alone.tolist(), no_room.tolist(), reasons.binding, strict=True
            )
        ),
        short_by_s=np.where(alone, np.nan, reasons.short_by_s),
        short_by_hz=np.where(alone & ~runs & ~no_room, missing, np.nan),
    )


def _room(problem: Problem, options: Candidates, possible: Booleans) -> Booleans:
    """Options that find room on every server beside what the others need of it at least."""
    room = np.ones(len(possible), dtype=bool)
    for k, capacity in enumerate(problem.server_capacity):
        least = options.least(np.where(possible, options.load[:, k], np.inf))
        most = capacity * FULL - (least.sum() - least)
        room &= options.load[:, k] <= most[options.user()]
    return room


def _priced(
    problem: Problem, relaxation: Relaxation, prices: Mapping[str, float]
) -> tuple[Floats, Floats, float]:
    """Every option at the dual's prices, each user's least, and the bound there."""
    price_j_per_hz = prices["dual_bandwidth_j_per_hz"]
    value = relaxation.priced_j(np.array([price_j_per_hz]))[0][0]
    paid_j = price_j_per_hz * problem.bandwidth_hz
    for k, capacity in enumerate(problem.server_capacity):
        price_j_per_s = prices[f"dual_server_{k}_j_per_s"]
        value = value + price_j_per_s * relaxation.options.load[:, k]
        paid_j += price_j_per_s * capacity
    least = relaxation.options.least(value)
    bound = least.sum() - paid_j
    return value, least, float(bound)
