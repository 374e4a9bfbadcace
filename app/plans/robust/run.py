"""One request of the robust family from JSON to its answer."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from app.plans.columnar import Bulk
from app.plans.family import Outcome, Prepared
from app.plans.resolve import Resolver
from app.plans.robust import present
from app.plans.robust.assemble import Assembled, assemble
from app.plans.robust.bulk import terms_of, users_of
from app.plans.robust.cells import Cell
from app.plans.robust.columns import columns
from app.plans.robust.present import CellPlan
from app.plans.robust.schemas import RobustOptions, RobustRequest, RobustTerms
from app.plans.schemas import INLINE_USERS
from solvers.outcome import Options
from solvers.progress import Amend, Progress, Stage, Step
from solvers.registry import answer, confirmed
from solvers.robust.baselines import Baselines, baselines
from solvers.robust.problem import Method
from solvers.robust.solve.infeasible import Infeasibility, diagnose

# Measured on 2 cores with 8 cuts each (benchmarks/robust.py), generously rounded up: an estimate,
# not a promise.
_FIXED_S = 0.015
_PER_OPTION_S = 1.5e-5
_PER_OPTION_BYTE = 600
# Loading the modelling language, compiling the programs of a cell, and solving them.
_PCCP_FIXED_S = 4.0
_PCCP_PER_OPTION_S = 1e-3
# Comparing takes longer than planning: for larger fleets only on request.
_COMPARED = 10_000
# The part of the progress after which every cell has its plan; the baselines are the rest.
_PLANNED = 0.4


@dataclass(frozen=True, slots=True)
class PreparedRobust(Prepared):
    """Cells, ready to be solved."""

    kind: ClassVar[str] = "robust"

    request: RobustTerms
    assembled: Assembled

    @property
    def users(self) -> int:
        return self.assembled.users

    @property
    def ids(self) -> Sequence[str]:
        return self.assembled.ids

    @property
    def heavy(self) -> bool:
        return Method(self.request.options.method) is Method.PCCP

    def effective_options(self) -> dict[str, Any]:
        return self.request.options.model_dump(mode="json") | {"baselines": self._compared}

    @property
    def _compared(self) -> bool:
        asked = self.request.options.baselines
        return self.users <= _COMPARED if asked is None else asked

    def size(self) -> tuple[int, float, int]:
        options, cells = self.assembled.options, len(self.assembled.cells)
        seconds = _FIXED_S * cells + _PER_OPTION_S * options
        if self.heavy:
            seconds += _PCCP_FIXED_S + _PCCP_PER_OPTION_S * options
        return options, min(seconds, self.request.options.time_limit_s), _PER_OPTION_BYTE * options

    def admitted(self, progress: Progress) -> tuple[Assembled, dict[str, Any]]:
        """Who is planned for, and what the result says of that. Raises RefutedAnswer."""
        if self.request.options.admission is None:
            return self.assembled, {}
        from app.plans.robust.admitting import most_valuable

        assembled, told = most_valuable(self.assembled, progress)
        return assembled, {} if told is None else {"admission": told}

    def solve(self, progress: Progress) -> Outcome:
        asked = self.request.options
        started = time.perf_counter()
        limited = progress.part(time_limit_s=asked.time_limit_s)
        assembled, admission = self.admitted(limited)
        cells = assembled.cells
        plans = plan_cells(cells, asked, limited.part(0.0, _PLANNED))
        if isinstance(plans, dict):
            whole, listed = present.infeasible(assembled, _confirmed(cells, plans, limited))
            seconds = time.perf_counter() - started
            return Outcome(
                status="infeasible", result=None, infeasible=whole, users=listed, solve_s=seconds
            )
        seconds = time.perf_counter() - started
        # Baselines are worth what is left of the time, not more.
        baselines = (
            compare(plans, asked, limited.part(_PLANNED))
            if self._compared and not limited.over()
            else None
        )
        # Explained users hold a list each, so they stay objects.
        many = self.users > INLINE_USERS and not asked.explain
        users = [] if many else present.users(assembled, plans)
        if asked.explain:
            present.explain(plans, users)
        return Outcome(
            status="timed_out" if any(plan.solution.timed_out for plan in plans) else "solved",
            result=present.result(plans, baselines) | admission,
            infeasible=None,
            users=users,
            table=present.user_table(assembled, plans) if many else None,
            solve_s=seconds,
            warnings=tuple(present.overloaded(plans)),
        )


def prepare_columns(bulk: Bulk, resolver: Resolver) -> PreparedRobust:
    """As `prepare`, of users in columns."""
    terms = terms_of(bulk)
    assembled = assemble(terms, users_of(bulk, terms), resolver)
    resolver.refuse_faults()
    assert assembled is not None
    return PreparedRobust(
        resolver=resolver, sources=assembled.sources, request=terms, assembled=assembled
    )


def prepare(request: RobustRequest, resolver: Resolver) -> PreparedRobust:
    """Resolve, map and check a request.

    Raises InvalidRequest with everything that is wrong in it.
    """
    assembled = assemble(request, columns(request.users, request.cell_positions), resolver)
    resolver.refuse_faults()
    assert assembled is not None
    return PreparedRobust(
        resolver=resolver, sources=assembled.sources, request=request, assembled=assembled
    )


def plan_cells(
    cells: Sequence[Cell], asked: RobustOptions, progress: Progress
) -> list[CellPlan] | dict[int, Infeasibility]:
    """The checked plan of every cell; or, where some have none, what is wrong with each of these,
    by position.

    The time is shared out by users, and what a cell leaves of it goes to those after it.
    """
    plans: list[CellPlan] = []
    before = np.cumsum([0, *(cell.problem.users for cell in cells)]).tolist()
    whole = before[-1]

    def part(c: int) -> Progress:
        return progress.part(
            before[c] / whole,
            before[c + 1] / whole,
            time_limit_s=progress.left_s() * cells[c].problem.users / (whole - before[c]),
            amend=_after(plans, last=c + 1 == len(cells)),
        )

    options = Options(gap=asked.gap, seed=asked.seed)
    for c, cell in enumerate(cells):
        solution, certificate = answer(cell.problem, options, part(c))
        if solution.infeasibility is not None:
            others = ((k, diagnose(cells[k].problem, part(k))) for k in range(c + 1, len(cells)))
            return {c: solution.infeasibility} | {
                k: found for k, found in others if found is not None
            }
        assert certificate is not None
        plans.append(CellPlan(cell, solution, certificate))
    return plans


def _confirmed(
    cells: Sequence[Cell], wrong: dict[int, Infeasibility], progress: Progress
) -> dict[int, Infeasibility]:
    """The same with conflicts that were checked. Raises RefutedAnswer."""
    return {
        c: replace(found, conflict=confirmed(cells[c].problem, found, progress))
        for c, found in wrong.items()
    }


def compare(plans: list[CellPlan], asked: RobustOptions, progress: Progress) -> list[Baselines]:
    """The baselines of every cell, to the gap of their plans as far as the time that is left
    allows.
    """
    found: list[Baselines] = []
    objective, bound = sum(plan.objective for plan in plans), sum(plan.bound for plan in plans)
    whole, done = sum(plan.cell.problem.users for plan in plans), 0

    def compared(step: Step, /) -> Step:
        return replace(step, stage=Stage.BASELINES, objective=objective, bound=bound)

    options = Options(gap=asked.gap, seed=asked.seed)
    for plan in plans:
        users = plan.cell.problem.users
        mine = progress.part(
            done / whole,
            (done + users) / whole,
            time_limit_s=progress.left_s() * users / (whole - done),
            amend=compared,
        )
        found.append(
            baselines(
                plan.cell.problem,
                plan.solution,
                options,
                mine,
                prove=asked.baselines is True,
                margins=asked.baselines is True or plan.cell.evidence is not None,
            )
        )
        done += users
    return found


def _after(before: list[CellPlan], *, last: bool) -> Amend:
    """A step of one cell as that of all: what is known of the cells before is added."""
    objective, bound = sum(plan.objective for plan in before), sum(plan.bound for plan in before)

    def amend(step: Step, /) -> Step:
        known = last and step.objective is not None
        return replace(
            step,
            objective=objective + (step.objective or 0.0) if known else None,
            # No cell spends less than nothing.
            bound=bound + max(step.bound or 0.0, 0.0) if before or step.bound is not None else None,
        )

    return amend
