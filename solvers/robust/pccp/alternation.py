"""The method of arXiv 2503.21476 itself, as the reference that the exact one is measured against.

It alternates between the clocks and shares for fixed cuts, a convex program, and the cuts for fixed
clocks and shares, relaxed and driven back to whole numbers by the penalty convex-concave procedure
(Lipp and Boyd, Optimization and Engineering 17, 2016). Each half keeps what the other fixed, so it
ends in a stationary point, without a bound: with the deadlines met exactly by the first half, the
second rarely finds a cut that is both cheaper and no slower, and a user who sends nothing has no
share to send with. Where it starts therefore matters more than what it does: see `starts`.

"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.outcome import Options, Solution, Status
from solvers.progress import Progress, Stage
from solvers.robust.pccp.cell import Cell, Point, cell_of, least_of
from solvers.robust.pccp.programs import Penalty, in_pace, procedure, resources, shape_of
from solvers.robust.problem import Decision, Problem

# Less of the uplink than this is beyond the conic solver's accuracy: nothing is shared out.
_TO_SHARE_OUT = 1e-7
# All of a server, with the rounding of a sum.
_ROUNDED = 1.0 + 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class NoStart:
    """Why there are no cuts to begin with: users who fail alone, and the least uplink that all need
    together.
    """

    users: tuple[int, ...]
    least_bandwidth_hz: float  # infinite where somebody fails alone


PccpSolution = Solution[Decision, NoStart]


def pccp(
    problem: Problem,
    start: Integers | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    penalty: Penalty | None = None,
) -> PccpSolution:
    """Cuts, clocks and shares by the alternation of arXiv 2503.21476.

    Parameters
    ----------
    problem : free clocks only.
    start : (users,) option to begin with, each within its user's workload; by default the
        least-bandwidth options, which budgets of servers may rule out.
    options : `gap` is the relative change of the energy at which the alternation has settled.
    progress : told the energy of the best point at every step, never more than the one before.

    Returns
    -------
    Solution that is `feasible` without a bound, or `infeasible` where no start exists.

    Raises
    ------
    ValueError : for clock levels, and for a start that keeps not every deadline and budget.
    cvxpy.SolverError : where the conic solver fails.
    """
    options, penalty = options or Options(), penalty or Penalty()
    progress = progress or Progress()
    cell = cell_of(problem)
    if start is None:
        alone = np.nonzero(~np.isfinite(cell.least_hz.min(axis=1)))[0]
        needed = float(cell.least_hz.min(axis=1).sum())
        if needed > problem.bandwidth_hz:
            users = tuple(int(n) for n in alone)
            return Solution(
                status=Status.INFEASIBLE,
                infeasibility=NoStart(users=users, least_bandwidth_hz=needed),
            )
        start = cell.least_hz.argmin(axis=1)
    if not _starts_from(cell, start):
        raise ValueError(
            "start: options that keep every deadline within the bandwidth and the servers' budgets"
        )

    point = _allocate(cell, start)
    progress.objective = point.energy_j
    progress.stage(Stage.RESOURCES, 0.0)
    timed_out = False
    while point.energy_j > 0.0:  # else there is nothing to save, and no unit to count costs in
        if progress.over():
            timed_out = True
            break
        progress.stage(Stage.CUTS, 0.5)
        option = _choose_cuts(cell, point, penalty, progress)
        if np.array_equal(option, point.option):
            break
        found = _allocate(cell, option)
        if found.energy_j > point.energy_j:  # the conic solver's last digits
            break
        settled = point.energy_j - found.energy_j <= options.gap * point.energy_j
        point = found
        progress.objective = point.energy_j
        progress.stage(Stage.RESOURCES, 0.5)
        if settled:
            break
    return Solution(
        status=Status.FEASIBLE,
        decision=Decision(
            option=point.option, frequency_hz=point.clock_hz, bandwidth_hz=point.share_hz
        ),
        objective=point.energy_j,
        timed_out=timed_out,
    )


def starts(problem: Problem, more: Mapping[str, Integers] | None = None) -> dict[str, Integers]:
    """Feasible options (users,) to begin with, by name; none where the cell is infeasible.

    `least_bandwidth`: what needs the least of the uplink. `equal_share`: the cheapest at an equal
    share, and the least bandwidth where that share is not enough. Either is left out where it needs
    more than the uplink or the servers; of `more`, which come instead of those of the same name,
    only those that need no more are kept.
    """
    cell = cell_of(problem)
    narrowest = cell.least_hz.argmin(axis=1)
    share = np.full(problem.users, problem.bandwidth_hz / problem.users)
    fits = cell.least_hz <= share[:, None]
    energy = np.where(fits, cell.energy_j(cell.clocks_hz(share), share), np.inf)
    cheapest = np.where(fits.any(axis=1), energy.argmin(axis=1), narrowest)
    found = {"least_bandwidth": narrowest, "equal_share": cheapest, **(more or {})}
    return {name: option for name, option in found.items() if _starts_from(cell, option)}


def _starts_from(cell: Cell, option: Integers) -> bool:
    """Whether options keep the deadlines, and fit the uplink and the servers together."""
    load = cell.load[np.arange(len(option)), option].sum(axis=0)
    fits = least_of(cell, option).sum() <= cell.problem.bandwidth_hz
    return bool(fits and np.all(load <= _ROUNDED))


def relaxed_cuts(problem: Problem, decision: Decision, penalty: Penalty | None = None) -> Floats:
    """Where the penalty convex-concave procedure ends for the clocks and shares of a decision.

    Returns
    -------
    (users, options) in [0, 1], each user's options first and zeros behind them; rows sum to 1.
    """
    cell = cell_of(problem)
    at = (np.arange(problem.users), decision.option)
    energy = float(cell.energy_j(decision.frequency_hz[:, None], decision.bandwidth_hz)[at].sum())
    point = Point(
        option=decision.option,
        clock_hz=decision.frequency_hz,
        share_hz=decision.bandwidth_hz,
        energy_j=energy,
    )
    return _relax(cell, point, penalty or Penalty(), Progress())[0]


def _allocate(cell: Cell, option: Integers) -> Point:
    """Resource allocation: the least-energy clocks and shares for fixed cuts."""
    problem, at = cell.problem, (np.arange(len(option)), option)
    least = least_of(cell, option)
    sends = cell.crossing_bit[at] > 0.0
    share = least
    if np.any(sends) and problem.bandwidth_hz - least.sum() > _TO_SHARE_OUT * problem.bandwidth_hz:
        wanted = resources(shape_of(cell, option))(cell, option)
        # Rounded onto the constraints: nobody below the least share, all together exactly the
        # uplink.
        beyond = np.where(sends, np.maximum(wanted - least, 0.0), 0.0)
        total = beyond.sum()
        share = least + beyond * (
            (problem.bandwidth_hz - least.sum()) / total if total > 0.0 else 0.0
        )
        share = np.where(sends, np.maximum(share, least), 0.0)
    clock = cell.clock_hz(option, share)
    energy = float(cell.energy_j(clock[:, None], share)[at].sum())
    return Point(option=option, clock_hz=clock, share_hz=share, energy_j=energy)


def _relax(
    cell: Cell, point: Point, penalty: Penalty, progress: Progress
) -> tuple[Floats, Floats, Floats]:
    """Relaxed cuts for fixed clocks and shares, and every option's energy and mean delay there."""
    energy = cell.energy_j(point.clock_hz[:, None], point.share_hz)
    uplink = cell.uplink_most_s(point.share_hz)
    late = cell.cycles / point.clock_hz[:, None] + cell.fixed_s + uplink
    return procedure(*cell.load.shape)(cell, point, energy, late, penalty, progress), energy, late


def _choose_cuts(cell: Cell, point: Point, penalty: Penalty, progress: Progress) -> Integers:
    """Cut choice for fixed clocks and shares, each user moved only to a cheaper cut that keeps the
    deadline.
    """
    relaxed, energy, late = _relax(cell, point, penalty, progress)
    rows, wanted = np.arange(len(relaxed)), relaxed.argmax(axis=1)
    in_time = (late + cell.margin_s)[rows, wanted] <= cell.problem.deadline_s
    saved = energy[rows, point.option] - energy[rows, wanted]
    good = cell.allowed[rows, wanted] & in_time & (saved > 0.0) & in_pace(cell, point)[rows, wanted]
    if not cell.load.any():
        return np.where(good, wanted, point.option)
    return _within_servers(
        cell, point.option, wanted, np.nonzero(good)[0][np.argsort(-saved[good])]
    )


def _within_servers(cell: Cell, option: Integers, wanted: Integers, users: Integers) -> Integers:
    """Some users moved to the cuts they want, one after the other, as long as the servers can serve
    them all: again from the first after each move that makes room.
    """
    rows, chosen, waiting = np.arange(len(option)), option.copy(), users.tolist()
    used = cell.load[rows, option].sum(axis=0)
    while waiting:
        for n in waiting:
            after = used + cell.load[n, wanted[n]] - cell.load[n, chosen[n]]
            if np.all((after <= used) | (after <= _ROUNDED)):
                chosen[n], used = wanted[n], after
                waiting.remove(n)
                break
        else:
            break
    return chosen
