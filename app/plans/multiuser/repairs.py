"""Repairs of multi-user plans, each planned and checked."""

from collections.abc import Iterator, Sequence

import numpy as np

from app.plans.multiuser.assemble import LARGEST_BANDWIDTH_HZ
from app.plans.multiuser.run import PreparedMultiUser
from app.plans.repairs import Repaired, RepairPrices
from app.plans.selling import drop_prices, sold
from app.quantities import LARGEST_NUMBER
from solvers.multiuser.problem import Problem
from solvers.multiuser.solve.deadlines import explain, tolerant
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.repairs import Change, Prices, Repair, repairs
from solvers.outcome import Options
from solvers.progress import Progress
from solvers.registry import answer


def repaired(
    prepared: PreparedMultiUser, prices: RepairPrices, progress: Progress
) -> Iterator[Repaired]:
    """Repairs of a request without a plan, one of each kind."""
    problem, ids = prepared.assembled.problem, prepared.ids

    asked = Prices(
        drop=drop_prices(prices, ids, prepared.value),
        deadline_per_s=sold(prices.deadline_per_s),
        bandwidth_per_hz=sold(prices.bandwidth_per_hz),
        server_per_flop_per_s=sold(prices.server_per_flop_per_s),
    )
    fleet = Fleet(tolerant(problem), progress=progress)
    found = explain(fleet, progress, 0, excluded=True)
    options = Options(gap=prepared.request.options.gap)
    for repair in repairs(problem, found, asked, progress):
        changed = repair.problem
        # What no request may ask for mends nothing.
        if changed.bandwidth_hz > LARGEST_BANDWIDTH_HZ:
            continue
        if changed.server_flop_per_s > LARGEST_NUMBER:
            continue
        solution, certificate = answer(changed, options, progress.part())
        if certificate is None or solution.objective is None:
            continue
        told = Repaired(repair.change.value, float(repair.cost), float(repair.at_least))
        told.optimal = solution.gap is not None and solution.gap <= options.gap
        told.objective = {"cost": solution.objective}
        _tell(told, problem, repair, ids, prepared.assembled.runs[0].server.ref)
        yield told


def _tell(told: Repaired, before: Problem, repair: Repair, ids: Sequence[str], server: str) -> None:
    """What a repair changes."""
    after = repair.problem
    dropped = np.setdiff1d(np.arange(before.users), repair.users)
    told.dropped = [ids[n] for n in dropped.tolist()]
    had = before.deadline_s[repair.users]
    for n in np.flatnonzero(after.deadline_s > had).tolist():
        user, was, has = ids[int(repair.users[n])], float(had[n]), float(after.deadline_s[n])
        told.deadlines.append({"id": user, "before_s": was, "deadline_s": has})
    if repair.change is Change.BANDWIDTH:
        hertz = {"before_hz": before.bandwidth_hz, "bandwidth_hz": after.bandwidth_hz}
        told.bandwidths.append(hertz)
    if repair.change is Change.SERVER:
        told.servers.append({"server": server, "server_flop_per_s": after.server_flop_per_s})
