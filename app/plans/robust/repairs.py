"""Repairs of robust plans: cell by cell, each planned and checked."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from app.plans.repairs import Repaired, RepairPrices
from app.plans.robust.cells import Cell
from app.plans.robust.present.infeasible import parallel_of
from app.plans.robust.run import PreparedRobust
from app.plans.selling import drop_prices, sold
from solvers.arrays import Floats
from solvers.outcome import Options, Solution
from solvers.progress import Progress
from solvers.registry import answer
from solvers.robust.problem import Problem
from solvers.robust.solve.changes import Change, Prices, Repair
from solvers.robust.solve.infeasible import fits
from solvers.robust.solve.repairs import repairs
from solvers.robust.solve.served_repairs import served_repairs


def repaired(
    prepared: PreparedRobust, prices: RepairPrices, progress: Progress
) -> Iterator[Repaired]:
    """Repairs of a request without a plan: of each kind one that mends every broken cell, and one
    that takes the cheapest for each, where that is cheaper.
    """
    cells, ids = prepared.assembled.cells, prepared.assembled.ids
    drop = drop_prices(prices, ids, prepared.assembled.value)
    planned = _Planned(prepared, progress)
    found: list[tuple[Cell, dict[Change, Repair]]] = []
    for cell in cells:
        if fits(cell.problem, progress):
            planned.whole(cell)
            continue
        found.append((cell, _of_cell(cell, prices, drop[cell.users], progress)))
    told = [
        planned.told(kind, [(cell, mine[kind]) for cell, mine in found])
        for kind in Change
        if found and all(kind in mine for _, mine in found)
    ]
    if len(found) > 1 and all(mine for _, mine in found):
        best = [(cell, min(mine.values(), key=lambda one: one.cost)) for cell, mine in found]
        cost = sum(one.cost for _, one in best)
        if all(one is None or cost < one.cost * (1.0 - 1e-9) for one in told):
            told.append(planned.told(Change.MIXED, best))
    yield from (one for one in told if one is not None)


def _of_cell(
    cell: Cell, prices: RepairPrices, drop: Floats, progress: Progress
) -> dict[Change, Repair]:
    per_second = np.array(
        [sold(prices.server_per_inference) / server.utilisation for server in cell.budgeted]
    )
    asked = Prices(
        drop=drop,
        deadline_per_s=sold(prices.deadline_per_s),
        risk=sold(prices.risk),
        bandwidth_per_hz=sold(prices.bandwidth_per_hz),
        server=per_second,
    )
    look = served_repairs if cell.problem.server_capacity else repairs
    found = {one.change: one for one in look(cell.problem, asked, progress)}
    if Change.SERVER in found:
        found[Change.SERVER] = _in_whole_inferences(cell, found[Change.SERVER], prices)
    return found


def _in_whole_inferences(cell: Cell, repair: Repair, prices: RepairPrices) -> Repair:
    """A server works on whole inferences: the least budget, rounded up to what they take."""
    capacity, cost = list(repair.problem.server_capacity), 0.0
    for k, server in enumerate(cell.budgeted):
        had = cell.problem.server_capacity[k]
        if capacity[k] > had:
            parallel = parallel_of(server, capacity[k])
            assert parallel is not None
            capacity[k] = max(had, parallel * server.utilisation)
            more = parallel - round(had / server.utilisation)
            cost += (prices.server_per_inference or 0.0) * more
    problem = replace(repair.problem, server_capacity=tuple(capacity))
    return replace(repair, problem=problem, cost=cost, at_least=0.0)


class _Planned:
    """Plans of repaired cells, and of those that need no repair."""

    def __init__(self, prepared: PreparedRobust, progress: Progress) -> None:
        self.prepared, self.progress = prepared, progress
        asked = prepared.request.options
        self.options = Options(gap=asked.gap, seed=asked.seed)
        self.objective, self.optimal = 0.0, True
        self.streams = any(cell.problem.rate_hz is not None for cell in prepared.assembled.cells)

    def whole(self, cell: Cell) -> None:
        """Plan a cell that has a plan as it is."""
        solution = self._solved(cell.problem)
        if solution is not None and solution.objective is not None:
            self.objective += solution.objective
            self.optimal &= self._best(solution)

    def told(self, kind: Change, chosen: list[tuple[Cell, Repair]]) -> Repaired | None:
        """One repair of every broken cell, planned; None where a plan was not found after all."""
        cost, at_least = sum(one.cost for _, one in chosen), sum(one.at_least for _, one in chosen)
        told = Repaired(kind.value, float(cost), float(at_least), optimal=self.optimal)
        objective = self.objective
        for cell, repair in chosen:
            solution = self._solved(repair.problem)
            if solution is None or solution.objective is None:
                return None
            objective += solution.objective
            told.optimal &= self._best(solution)
            _tell(told, cell, repair, self.prepared.assembled.ids)
        told.objective = {"power_w" if self.streams else "energy_j": objective}
        return told

    def _solved(self, problem: Problem) -> Solution[object, object] | None:
        """A checked plan. None where there is none."""
        solution, certificate = answer(problem, self.options, self.progress.part())
        return None if certificate is None else solution

    def _best(self, solution: Solution[object, object]) -> bool:
        return solution.gap is not None and solution.gap <= self.options.gap


def _tell(told: Repaired, cell: Cell, repair: Repair, ids: Sequence[str]) -> None:
    """What a repair changes in one cell."""
    place = {} if cell.id is None else {"cell": cell.id}
    before, after = cell.problem, repair.problem
    who = [ids[n] for n in cell.users.tolist()]
    stays = np.zeros(before.users, dtype=bool)
    stays[repair.users] = True
    told.dropped += [who[n] for n in np.flatnonzero(~stays).tolist()]
    for name, had, has, into, was in (
        ("deadline_s", before.deadline_s, after.deadline_s, told.deadlines, "before_s"),
        ("risk", before.risk, after.risk, told.risks, "before"),
    ):
        had = had[repair.users]
        for n in np.flatnonzero(has > had).tolist():
            user = who[int(repair.users[n])]
            into.append({"id": user, was: float(had[n]), name: float(has[n])})
    if after.bandwidth_hz > before.bandwidth_hz:
        hertz = {"before_hz": before.bandwidth_hz, "bandwidth_hz": after.bandwidth_hz}
        told.bandwidths.append({**place, **hertz})
    for k, server in enumerate(cell.budgeted):
        if after.server_capacity[k] > before.server_capacity[k]:
            parallel = parallel_of(server, after.server_capacity[k])
            told.servers.append({**place, "server": server.ref, "parallel": parallel})
