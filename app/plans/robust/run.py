"""One request of the robust family from JSON to its answer."""

import time
from dataclasses import dataclass
from typing import Any, ClassVar

from app.plans.family import UNWATCHED, Outcome, Prepared, Watch
from app.plans.resolve import Dossier
from app.plans.robust import present
from app.plans.robust.assemble import Assembled, assemble
from app.plans.robust.schemas import RobustRequest
from app.plans.schemas import PlanKind
from solvers.outcome import Options
from solvers.registry import answer
from solvers.robust.baselines import baselines

# Measured on 2 cores with 8 cuts each (benchmarks/robust.py), generously rounded up: an estimate, not a promise.
_FIXED_S = 0.015
_PER_OPTION_S = 1.5e-5
_PER_OPTION_BYTE = 600


@dataclass(frozen=True, slots=True)
class PreparedRobust(Prepared):
    """A cell, ready to be solved."""

    kind: ClassVar[PlanKind] = "robust"

    request: RobustRequest
    assembled: Assembled

    @property
    def users(self) -> int:
        return self.assembled.problem.users

    def effective_options(self) -> dict[str, Any]:
        return self.request.options.model_dump(mode="json")

    def size(self) -> tuple[int, float, int]:
        problem = self.assembled.problem
        first = problem.workloads.first
        options = int((first[problem.workload + 1] - first[problem.workload]).sum())
        seconds = min(_FIXED_S + _PER_OPTION_S * options, self.request.options.time_limit_s)
        return options, seconds, _PER_OPTION_BYTE * options

    def solve(self, watch: Watch = UNWATCHED) -> Outcome:
        asked, assembled = self.request.options, self.assembled
        ids = [user.id for user in self.request.users]
        options = Options(gap=asked.gap, time_limit_s=asked.time_limit_s, seed=asked.seed, clock=watch.clock)
        started = time.perf_counter()
        solution, certificate = answer(assembled.problem, options, watch.report)
        seconds = time.perf_counter() - started
        if solution.infeasibility is not None:
            whole, listed = present.infeasible(solution.infeasibility, ids)
            return Outcome(status="infeasible", result=None, infeasible=whole, users=listed, solve_s=seconds)
        assert certificate is not None
        users = present.users(assembled, ids, solution)
        if asked.explain:
            present.explain(assembled, solution, users)
        return Outcome(
            status="timed_out" if solution.timed_out else "solved",
            result=present.result(assembled, solution, certificate, baselines(assembled.problem)),
            infeasible=None,
            users=users,
            solve_s=seconds,
        )


def prepare(request: RobustRequest, dossier: Dossier) -> PreparedRobust:
    """Resolve, translate and doubt a request. Raises InvalidRequest with everything that is wrong in it."""
    assembled = assemble(request, dossier)
    dossier.refuse_faults()
    assert assembled is not None
    return PreparedRobust(dossier=dossier, sources=assembled.sources, request=request, assembled=assembled)
