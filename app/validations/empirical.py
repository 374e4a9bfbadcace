"""The measured times behind a plan: what the empirical law draws from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from sqlalchemy.orm import Session

from app.measurements.observations import timing_of
from app.measurements.stored import standardised_times
from app.plans.stored import request_of
from app.plans.tables import PlanRow
from app.profiles.references import ProfileRef
from app.validations.rebuild import Rebuilt, RebuiltCell
from solvers.arrays import Floats, Integers
from solvers.measurement.samples import Part, Samples
from solvers.robust.problem import Decision, Problem
from solvers.robust.replay import Law, Misses, replay

_MIXED = 50_000  # sums of a device's and a server's times, drawn apart


@dataclass(frozen=True, slots=True)
class Shape:
    """Users of a cell whose times are made alike: the same cut and clock of the same workload."""

    who: Integers  # positions in the cell
    times: Floats  # of any unit; empty where they never vary
    consecutive: Floats  # beyond the mean [s], as they were measured one after the other; or empty


@dataclass(frozen=True, slots=True)
class Observed:
    """The shapes of every cell, or the first user whose times nobody measured."""

    cells: list[list[Shape]]
    unmeasured: tuple[int, Part | Literal["network"], ProfileRef | None] | None
    """Its position in the request, the part, and the revision."""


def observed(session: Session, row: PlanRow, rebuilt: Rebuilt) -> Observed:
    """Find the samples that the revisions of a plan were computed from.

    Where device and server both vary, their samples are added as if independent; the network's
    delay has no samples. The law has the mean and variance of the plan in any case.
    """
    read: dict[int, Samples] = {}
    request = request_of(session, row)
    rng = np.random.default_rng(0)
    cells: list[list[Shape]] = []
    for cell in rebuilt.cells:
        work = cell.problem.workloads
        option, meanings = cell.row, cell.cell.meanings
        shapes = []
        for who in _alike(option):
            at = int(option[who[0]])
            user = int(cell.users[who[0]])
            asked = request.user(user)
            clock, spreads = _spreads(cell, at)
            total, consecutive = np.zeros(1), np.empty(0)
            for part, variance_s2, frequency_hz in spreads:
                if variance_s2 == 0.0:
                    continue
                host = int(meanings.host[at])
                server = cell.cell.servers[host].ref if host >= 0 else None
                ref = timing_of(row, asked, part, server)
                known = None
                # Nobody timed two servers one after the other.
                if ref is not None and (part == "device" or meanings.tier[at] < 0):
                    known = standardised_times(
                        session, ref, part, int(work.cut[at]), frequency_hz, read
                    )
                if known is None:
                    return Observed([], (user, part, ref))
                # Times of one part, at one clock, are in the order in which they were measured.
                alone = len(total) == 1 and (part == "server" or clock is not None)
                consecutive = np.sqrt(variance_s2) * known if alone else np.empty(0)
                total = _sum(total, np.sqrt(variance_s2) * known, rng)
            networked = cell.problem.network_variance_s2 > 0.0 and work.crossing_bit[at] > 0.0
            if networked and len(total) == 1:  # all that varies is what nobody measures
                return Observed([], (user, "network", None))
            varying = total if len(total) > 1 else np.empty(0)
            shapes.append(Shape(who, varying, consecutive))
        cells.append(shapes)
    return Observed(cells, None)


def _alike(option: Integers) -> list[Integers]:
    """The positions of each value, in the order of the values."""
    order = np.argsort(option, kind="stable")
    return np.split(order, np.nonzero(np.diff(option[order]))[0] + 1)


def _spreads(
    cell: RebuiltCell, at: int
) -> tuple[float | None, tuple[tuple[Part, float, float | None], ...]]:
    """The clock of a row, if it has but one; and of each part its variance and clock."""
    work = cell.problem.workloads
    low, high = float(work.clock_min_hz[at]), float(work.clock_max_hz[at])
    clock = low if low == high else None
    return clock, (
        ("device", float(work.device_variance_s2[at]), clock),
        ("server", float(work.server_variance_s2[at]), None),
    )


def _sum(first: Floats, second: Floats, rng: Generator) -> Floats:
    if len(first) == 1:
        return first + second
    return np.asarray(rng.choice(first, _MIXED) + rng.choice(second, _MIXED))


def replay_observed(
    cell: RebuiltCell,
    shapes: Sequence[Shape],
    trials: int,
    rng: Generator,
    significance: float,
    drew: Callable[[int], None],
) -> Misses:
    """Replay a cell under the empirical law, shape by shape."""
    problem, decision = cell.problem, cell.decision
    order, found = [], []
    for shape in shapes:
        some = _some(problem, shape.who)
        kinds = len(problem.workloads.first) - 1
        samples = [
            shape.times if kind == some.workload[0] else np.empty(0) for kind in range(kinds)
        ]
        chosen = Decision(
            option=decision.option[shape.who],
            frequency_hz=decision.frequency_hz[shape.who],
            bandwidth_hz=decision.bandwidth_hz[shape.who],
        )
        replayed = replay(some, chosen, trials, rng, [Law.EMPIRICAL], samples, significance, drew)
        found.append(replayed.laws[Law.EMPIRICAL])
        order.append(shape.who)
    back = np.argsort(np.concatenate(order))
    columns: dict[str, Any] = {
        field.name: np.concatenate([getattr(misses, field.name) for misses in found])[back]
        for field in fields(Misses)
        if field.name != "law"
    }
    return replace(found[0], **columns)


def _some(problem: Problem, who: Integers) -> Problem:
    """The same cell with some of its users."""
    columns = {field.name: getattr(problem, field.name) for field in fields(problem)}
    chosen: dict[str, Any] = {
        name: value[who] for name, value in columns.items() if isinstance(value, np.ndarray)
    }
    return replace(problem, **chosen)
