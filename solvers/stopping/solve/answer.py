"""Plans the stopping family: every placement by backward induction, the cheapest one's table, and
its neighbours.
"""

from collections.abc import Iterator

import numpy as np

from solvers.arrays import Integers
from solvers.outcome import Options, Solution, Status
from solvers.progress import Progress, Stage
from solvers.stopping.channel import GainTrace, Markov
from solvers.stopping.decision import Decision, Infeasibility
from solvers.stopping.problem import Problem
from solvers.stopping.solve.plan import Plan

Block = tuple[int, Integers]  # a workload and some of its users

BLOCK = 256  # users at once on an independent channel: what a core's cache holds
PLANE = 1 << 21  # cuts² × users at once on one: some 50 ms at most, to hear of a stop in between
SAMPLES = 1 << 22  # samples × users at once on a trace of gains
CHAIN = 1 << 20  # cuts² × users × states at once on a Markov channel


def solve(
    problem: Problem,
    options: Options | None = None,  # noqa: ARG001  one signature for all families
    progress: Progress | None = None,
) -> Solution[Decision, Infeasibility]:
    """Plan every user of a fleet, each independently of the others.

    Backward induction over every placement 0..L (arXiv 2105.13618, section III), or the one-stage
    look-ahead rule where the problem asks for it. Users of a workload are planned in blocks of near
    mean SNR, so memory beyond problem and decision stays flat; a second core is put to use by
    planning `problem.part(...)` in another process.

    Returns
    -------
    Solution : objective and bound are sums over users of the expected cost per inference, running
    and placement.
        `optimal` with backward induction; `feasible` with look-ahead, or where the time limit came
        first: blocks not begun by then follow look-ahead (`timed_out`, and `decision.optimal` says
        who). `infeasible` if any user has no placement of finite cost.
    """
    progress = progress or Progress()
    plan, blocks = Plan(problem), list(_blocks(problem))

    timed_out = False
    progress.stage(Stage.PLACEMENT)
    for done, (workload, users) in enumerate(blocks, start=1):
        timed_out = timed_out or progress.over()
        plan.fill(workload, users, late=timed_out)
        progress.tick(done / len(blocks))
    infeasibility = plan.infeasibility()
    if infeasibility:
        return Solution(status=Status.INFEASIBLE, timed_out=timed_out, infeasibility=infeasibility)
    decision = plan.decision()
    objective = float(decision.running_cost.sum() + decision.placement_cost.sum())
    # The same costs summed in another order differ by rounding.
    best = min(float(plan.offers["optimum"].sum()), objective)
    return Solution(
        status=Status.OPTIMAL if decision.optimal.all() else Status.FEASIBLE,
        decision=decision,
        objective=objective,
        lower_bound=best if np.isfinite(best) else None,
        timed_out=timed_out,
    )


def _blocks(problem: Problem) -> Iterator[Block]:
    """Users of one workload, sorted by mean SNR so that a block's nodes need to span little."""
    for workload, layers in enumerate(problem.workloads.layers):
        users = np.flatnonzero(problem.workload == workload)
        if problem.mean_snr is not None:
            users = users[np.argsort(problem.mean_snr[users], kind="stable")]
        size = int(np.clip(PLANE // (layers + 1) ** 2, 1, BLOCK))
        if isinstance(problem.law, GainTrace):
            size = int(np.clip(SAMPLES // problem.law.gain.size, 1, size))
        if isinstance(problem.law, Markov):
            size = int(np.clip(CHAIN // ((layers + 1) ** 2 * problem.law.rate_bps.size), 1, BLOCK))
        for start in range(0, len(users), size):
            yield workload, users[start : start + size]
