"""Why not another cut: what the whole cell would spend at least, or what stops it."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import options_of
from solvers.robust.solve.dual import Relaxation
from solvers.robust.solve.infeasible import Binding, reasons_of
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


def why_not(problem: Problem, price_j_per_hz: float) -> Alternatives:
    """Hold every cut of every user against the best price of a cell that has a plan.

    With the reduced cost of the user's cheapest option of the cut, L(price) + reduced cost bounds
    every plan that takes it; the price is that of the solution
    (`prices["dual_bandwidth_j_per_hz"]`), where the bound is at its best.
    """
    # What is planned where a limit is missed by rounding is not ruled out, and bounded, here too.
    asked, problem = problem, problem.at_tolerance()
    options, possible = options_of(problem)
    relaxation = Relaxation(options.keep(possible), problem.bandwidth_hz).priceable()
    value = relaxation.priced_j(np.array([price_j_per_hz]))[0][0]
    least = relaxation.options.least(value)
    bound = least.sum() - price_j_per_hz * problem.bandwidth_hz
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

    reasons = reasons_of(asked, np.arange(problem.users))
    # Options are in the order of users; reasons have one entry per user and cut.
    row = problem.workloads.first[problem.workload[options.user()]] + options.option
    cuts = int(problem.workloads.cut.max()) + 1
    entry = np.searchsorted(
        reasons.user * cuts + reasons.cut, options.user() * cuts + problem.workloads.cut[row]
    )
    energy = np.full(len(reasons.cut), np.inf)
    np.minimum.at(energy, entry, lifted)
    alone = np.zeros(len(energy), dtype=bool)
    alone[entry[possible]] = True
    missing = np.full(len(energy), np.inf)
    np.minimum.at(missing, entry[possible], np.maximum(short[possible], 0.0))
    runs = np.isfinite(energy)
    return Alternatives(
        user=reasons.user,
        cut=reasons.cut,
        cell_energy_at_least_j=np.where(runs, energy, np.nan),
        binding=tuple(
            None if works else name
            for works, name in zip(alone.tolist(), reasons.binding, strict=True)
        ),
        short_by_s=np.where(alone, np.nan, reasons.short_by_s),
        short_by_hz=np.where(alone & ~runs, missing, np.nan),
    )
