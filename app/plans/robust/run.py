"""One request of the robust family from JSON to its answer."""

import time
from dataclasses import dataclass
from typing import Any

from app.plans.outcome import Outcome
from app.plans.resolve import Dossier, used
from app.plans.robust import present
from app.plans.robust.assemble import Assembled, assemble
from app.plans.robust.schemas import RobustRequest
from app.plans.schemas import Estimate
from solvers.outcome import Options
from solvers.registry import answer
from solvers.robust.baselines import baselines

# Measured on 2 cores with 8 cuts each (benchmarks/robust.py), generously rounded up: an estimate, not a promise.
_FIXED_S = 0.015
_PER_OPTION_S = 1.5e-5
_PER_OPTION_BYTE = 600


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that passed customs."""

    request: RobustRequest
    assembled: Assembled
    dossier: Dossier

    @property
    def options(self) -> dict[str, Any]:
        """The options as they take effect."""
        return self.request.options.model_dump(mode="json")

    def estimate(self) -> Estimate:
        """What solving would take."""
        problem = self.assembled.problem
        first = problem.workloads.first
        options = int((first[problem.workload + 1] - first[problem.workload]).sum())
        weakest, _ = used(self.assembled.sources)
        return Estimate(
            kind="robust",
            users=problem.users,
            options=options,
            solve_s=min(_FIXED_S + _PER_OPTION_S * options, self.request.options.time_limit_s),
            memory_byte=_PER_OPTION_BYTE * options,
            effective_options=self.options,
            provenance=weakest,
            warnings=self.dossier.warnings or None,
        )

    def solve(self) -> Outcome:
        """Solve, check, compare with the baselines."""
        asked, assembled = self.request.options, self.assembled
        ids = [user.id for user in self.request.users]
        options = Options(gap=asked.gap, time_limit_s=asked.time_limit_s, seed=asked.seed)
        started = time.perf_counter()
        solution, certificate = answer(assembled.problem, options)
        seconds = time.perf_counter() - started
        if solution.infeasibility is not None:
            whole, listed = present.infeasible(solution.infeasibility, ids)
            return Outcome(status="infeasible", result=None, infeasible=whole, users=listed, solve_s=seconds)
        assert certificate is not None
        return Outcome(
            status="timed_out" if solution.timed_out else "solved",
            result=present.result(assembled, solution, certificate, baselines(assembled.problem)),
            infeasible=None,
            users=present.users(assembled, ids, solution),
            solve_s=seconds,
        )


def prepare(request: RobustRequest, dossier: Dossier) -> Prepared:
    """Resolve, translate and doubt a request. Raises InvalidRequest with everything that is wrong in it."""
    assembled = assemble(request, dossier)
    dossier.refuse_faults()
    assert assembled is not None
    return Prepared(request, assembled, dossier)
