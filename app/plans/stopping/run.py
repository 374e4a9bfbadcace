"""One request of the stopping family from JSON to its answer."""

import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from app.plans.family import Outcome, Prepared
from app.plans.resolve import Resolver
from app.plans.stopping import present
from app.plans.stopping.assemble import Assembled, assemble
from app.plans.stopping.schemas import StoppingRequest
from solvers.outcome import Certificate, RefutedAnswer, Solution
from solvers.progress import Progress
from solvers.registry import answer
from solvers.stopping.channel import Markov
from solvers.stopping.decision import Decision, Infeasibility

# Measured on 2 cores (benchmarks/stopping.py), generously rounded up: an estimate, not a promise.
_FIXED_S = 0.01
_PER_CUT_S = 1e-5
_PER_CUT_BOUND_S, _PER_CUT_TOPPED_BOUND_S = 1.5e-5, 8e-5  # topped: the rate has a top
_PER_TRANSITION_S = 1e-7
_PER_CUT_BYTE = 3000

# Where waiting costs next to nothing the rarest looks count, and the quadrature is refined until
# the check agrees.
_REFINE, _REFINEMENTS = 4, 3


@dataclass(frozen=True, slots=True)
class PreparedStopping(Prepared):
    """A fleet, ready to be planned."""

    kind: ClassVar[str] = "stopping"

    request: StoppingRequest
    assembled: Assembled

    @property
    def users(self) -> int:
        return self.assembled.problem.users

    def effective_options(self) -> dict[str, Any]:
        options = self.request.options.model_dump(mode="json")
        return options | {"clairvoyant": self.assembled.problem.clairvoyant}

    def size(self) -> tuple[int, float, int]:
        problem = self.assembled.problem
        cuts = problem.workloads.layers[problem.workload] + 1
        placements = int(cuts.sum())
        seconds = _FIXED_S + _PER_CUT_S * placements
        if isinstance(problem.law, Markov):
            seconds += _PER_TRANSITION_S * float(
                (cuts.astype(float) * problem.law.rate_bps.size) ** 2 @ (cuts > 0)
            )
        elif problem.clairvoyant:
            topped = np.isfinite(problem.max_rate_bps)
            seconds += (_PER_CUT_TOPPED_BOUND_S if topped else _PER_CUT_BOUND_S) * placements
        return (
            placements,
            min(seconds, self.request.options.time_limit_s),
            _PER_CUT_BYTE * placements,
        )

    def solve(self, progress: Progress) -> Outcome:
        assembled, ids = self.assembled, self.ids
        started = time.perf_counter()
        limited = progress.part(time_limit_s=self.request.options.time_limit_s)
        assembled, solution, certificate = checked(assembled, limited)
        seconds = time.perf_counter() - started
        if solution.infeasibility is not None:
            whole, listed = present.infeasible(assembled, solution.infeasibility, ids)
            return Outcome(
                status="infeasible", result=None, infeasible=whole, users=listed, solve_s=seconds
            )
        assert certificate is not None
        assert solution.decision is not None
        return Outcome(
            status="timed_out" if solution.timed_out else "solved",
            result=present.result(assembled, solution, certificate),
            infeasible=None,
            users=present.users(assembled, ids, solution.decision),
            solve_s=seconds,
        )


def checked(
    assembled: Assembled, progress: Progress
) -> tuple[Assembled, Solution[Decision, Infeasibility], Certificate | None]:
    """A checked answer, and the problem as it was solved.

    Raises RefutedAnswer where no refinement satisfies.
    """
    for _ in range(_REFINEMENTS):
        try:
            return assembled, *answer(assembled.problem, progress=progress)
        except RefutedAnswer:
            finer = replace(assembled.problem, nodes=_REFINE * assembled.problem.nodes)
            assembled = replace(assembled, problem=finer)
    return assembled, *answer(assembled.problem, progress=progress)


def prepare(request: StoppingRequest, resolver: Resolver) -> PreparedStopping:
    """Resolve, map and check a request.

    Raises InvalidRequest with everything that is wrong in it.
    """
    assembled = assemble(request, resolver)
    resolver.refuse_faults()
    assert assembled is not None
    return PreparedStopping(
        resolver=resolver, sources=assembled.sources, request=request, assembled=assembled
    )
