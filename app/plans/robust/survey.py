"""Many robust plans of requests that differ little, and their figures."""

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import orjson

from app.errors import InvalidRequest
from app.plans.family import Json, Outline, Prepare, Prepared
from app.plans.robust.present import CellPlan
from app.plans.robust.run import PreparedRobust, plan_cells
from app.plans.surveys import OneByOne
from app.quantities import LARGEST_NUMBER, SMALLEST_NUMBER
from solvers.arrays import Floats
from solvers.outcome import Certificate, Options, relative_gap
from solvers.progress import Cancelled, Progress
from solvers.robust.details import describe
from solvers.robust.problem import Problem
from solvers.robust.solve import RobustSolution
from solvers.robust.solve.infeasible import Infeasibility
from solvers.sweep import all_together, sweepable, swept

log = logging.getLogger(__name__)

Found = list[tuple[int, RobustSolution, Certificate]]
"""Plans, each with the position of its request."""


class RobustSurvey:
    """As `Survey` says: requests that differ in their uplink alone are one sweep."""

    def outlines(
        self, bodies: Sequence[Json], prepare: Prepare, progress: Progress
    ) -> Iterator[tuple[int, Outline]]:
        """As `Survey` says."""
        for some in _alike(bodies):
            if progress.over():
                return
            told: set[int] = set()
            for n, outline in _together(bodies, some, prepare, progress):
                told.add(n)
                yield n, outline
            rest = [n for n in some if n not in told]
            one_by_one = OneByOne(_outline).outlines([bodies[n] for n in rest], prepare, progress)
            yield from ((rest[k], outline) for k, outline in one_by_one)


def _together(
    bodies: Sequence[Json], some: Sequence[int], prepare: Prepare, progress: Progress
) -> Iterator[tuple[int, Outline]]:
    """Requests that differ in their uplink alone, as a sweep, as far as that goes: a fault of ours
    is in the log, and whoever is left out is planned by itself.

    Raises Cancelled.
    """
    prepared = _cell_of(bodies[some[0]], prepare) if len(some) > 1 else None
    if prepared is None:
        return
    try:
        yield from _sweep(prepared, {n: bodies[n]["bandwidth_hz"] for n in some}, progress)
    except Cancelled:
        raise
    except Exception:
        log.exception("a sweep failed")


def _alike(bodies: Sequence[Json]) -> list[list[int]]:
    """Positions of requests that are the same but for their uplink, the widest first."""
    found: dict[object, list[int]] = {}
    for n, body in enumerate(bodies):
        width = body.get("bandwidth_hz")
        number = isinstance(width, int | float) and not isinstance(width, bool)
        sound = number and SMALLEST_NUMBER <= float(width or 0.0) <= LARGEST_NUMBER
        rest = {key: value for key, value in body.items() if key != "bandwidth_hz"}
        key = orjson.dumps(rest, option=orjson.OPT_SORT_KEYS) if sound else n
        found.setdefault(key, []).append(n)
    return [
        sorted(some, key=lambda n: -bodies[n]["bandwidth_hz"]) if len(some) > 1 else some
        for some in found.values()
    ]


def _cell_of(body: Json, prepare: Prepare) -> PreparedRobust | None:
    """A request as a cell to sweep; None where it is none."""
    try:
        prepared = prepare(body)
    except InvalidRequest:
        return None  # told of each by itself
    assert isinstance(prepared, PreparedRobust)
    cells = prepared.assembled.cells
    if prepared.request.options.admission is not None:
        return None  # whom it plans for depends on the uplink
    plain = len(cells) == 1 and cells[0].id is None and sweepable(cells[0].problem)
    return prepared if plain else None


def _sweep(
    prepared: PreparedRobust, widths_hz: Mapping[int, float], progress: Progress
) -> Iterator[tuple[int, Outline]]:
    """A cell at falling uplinks. Raises RefutedAnswer, Cancelled."""
    asked, cell = prepared.request.options, prepared.assembled.cells[0]
    options = Options(gap=asked.gap, seed=asked.seed)
    limited = progress.part(time_limit_s=asked.time_limit_s * len(widths_hz))
    positions, found = list(widths_hz), []
    plans = swept(cell.problem, [float(width) for width in widths_hz.values()], options, limited)
    for n, (solution, certificate) in zip(positions, plans, strict=False):
        if solution.infeasibility is not None:
            rest = positions[positions.index(n) :]
            yield from _none_from_here(rest, widths_hz, solution.infeasibility)
            break
        assert certificate is not None
        found.append((n, solution, certificate))
    yield from _outlines(cell.problem, found)


def _none_from_here(
    positions: Sequence[int], widths_hz: Mapping[int, float], why: Infeasibility
) -> Iterator[tuple[int, Outline]]:
    """Less of the uplink never helps: the narrower ones have no plan either."""
    first = infeasible({0: why})
    yield positions[0], first
    for n in positions[1:]:
        reason = f"with {float(widths_hz[positions[0]]):.6g} Hz already: {first.reason}"
        yield n, Outline(status="infeasible", reason=reason)


def _outlines(problem: Problem, found: Found) -> Iterator[tuple[int, Outline]]:
    """The figures of plans of one cell, of which the users are told together."""
    if not found:
        return
    together, decision = all_together(problem, [solution for _, solution, _ in found])
    told, work = describe(together, decision), together.workloads
    loss = work.loss[work.first[together.workload] + decision.option]

    def of_plans(column: Floats) -> Floats:
        return column.reshape(len(found), -1)

    columns = {
        "energy_j": of_plans(told.energy_j).sum(axis=1),
        "latency_mean_s": of_plans(told.mean_s).mean(axis=1),
        "latency_max_s": of_plans(told.bound_s).max(axis=1),
        "slack_min_s": of_plans(told.slack_s).min(axis=1),
        "violation_max": of_plans(told.violation_bound).max(axis=1),
        "loss_mean": of_plans(loss).mean(axis=1),
        "bandwidth_used_hz": of_plans(decision.bandwidth_hz).sum(axis=1),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    for (n, solution, certificate), row in zip(found, rows, strict=True):
        yield (
            n,
            Outline(
                status="timed_out" if solution.timed_out else "solved",
                objective=solution.objective,
                lower_bound=solution.lower_bound,
                checked_lower_bound=certificate.lower_bound,
                gap=solution.gap,
                price=solution.prices["bandwidth_j_per_hz"],
                **dict(zip(columns, row, strict=True)),
            ),
        )


def _outline(prepared: Prepared, progress: Progress) -> Outline:
    assert isinstance(prepared, PreparedRobust)
    asked = prepared.request.options
    limited = progress.part(time_limit_s=asked.time_limit_s)
    assembled, _ = prepared.admitted(limited)
    plans = plan_cells(assembled.cells, asked, limited)
    return infeasible(plans) if isinstance(plans, Mapping) else _planned(plans)


def _planned(plans: Sequence[CellPlan]) -> Outline:
    """The figures of a plan, of all its cells together."""
    told = [describe(plan.cell.problem, plan.decision) for plan in plans]

    def of_users(name: str) -> Floats:
        return np.concatenate([getattr(each, name) for each in told])

    losses = [plan.cell.problem.workloads.loss[plan.row] for plan in plans]
    spent, bound = sum(plan.objective for plan in plans), sum(plan.bound for plan in plans)
    return Outline(
        status="timed_out" if any(plan.solution.timed_out for plan in plans) else "solved",
        objective=spent,
        lower_bound=bound,
        checked_lower_bound=sum(plan.certificate.lower_bound or 0.0 for plan in plans),
        gap=relative_gap(spent, bound),
        energy_j=float(of_users("energy_j").sum()),
        latency_mean_s=float(of_users("mean_s").mean()),
        latency_max_s=float(of_users("bound_s").max()),
        slack_min_s=float(of_users("slack_s").min()),
        violation_max=float(of_users("violation_bound").max()),
        loss_mean=float(np.concatenate(losses).mean()),
        bandwidth_used_hz=sum(plan.certificate.used["bandwidth_hz"] for plan in plans),
        price=plans[0].solution.prices["bandwidth_j_per_hz"] if len(plans) == 1 else None,
    )


def infeasible(wrong: Mapping[int, Infeasibility]) -> Outline:
    """What is said of a request that has no plan."""
    alone = sum(len(found.users) for found in wrong.values())
    least_hz = sum(found.least_total_bandwidth_hz for found in wrong.values())
    if alone:
        reason = f"{alone} of the users keep no deadline, even alone with the whole uplink"
    elif np.isfinite(least_hz):
        reason = f"the users need at least {least_hz:.6g} Hz of uplink together"
    else:
        reason = "the servers have no room for what the users ask of them together"
    return Outline(status="infeasible", reason=reason)
