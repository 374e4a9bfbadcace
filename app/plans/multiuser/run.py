"""One request of the multi-user family from JSON to its answer."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from app.plans import admission
from app.plans.admission import CellAdmission
from app.plans.family import Outcome, Prepared
from app.plans.multiuser import present
from app.plans.multiuser.assemble import Assembled, AssembledTables, assemble, assemble_tables, hold
from app.plans.multiuser.schemas import AdaptiveRequest, MultiUserRequest
from app.plans.resolve import Resolver
from solvers.arrays import Floats
from solvers.multiuser.problem import Decision, Infeasibility, Method, Problem
from solvers.multiuser.solve import SteadinessPrice, baselines, price_of_steadiness
from solvers.outcome import Certificate, Options, Solution
from solvers.progress import Progress, Stage, Step
from solvers.registry import admitted, answer, confirmed, tabulate

# Measured on 2 cores, generously rounded up: an estimate, not a promise.
_FIXED_S, _FIXED_TABLES_S = 0.06, 0.01
_PER_OPTION_S = 3e-5
_PER_TABLE_S = 5e-4
_PER_OPTION_BYTE = 1000
_PER_USER_BYTE = 20_000

# What rules to compare with may take of the time limit, beyond what the plan itself left.
_RULES = len(Method) - 1
_LEAST_FOR_RULES = 0.1
# Parts of the progress: the plan, then the rules, then the plan without the one before.
_PLANNED, _RULED = 0.8, 0.95


@dataclass(frozen=True, slots=True)
class PreparedMultiUser(Prepared):
    """A cell, ready to be solved."""

    kind: ClassVar[str] = "multi-user"

    request: MultiUserRequest
    assembled: Assembled

    @property
    def users(self) -> int:
        return self.assembled.problem.users

    def effective_options(self) -> dict[str, Any]:
        return self.request.options.model_dump(mode="json")

    def size(self) -> tuple[int, float, int]:
        problem = self.assembled.problem
        options = int(np.diff(problem.workloads.first)[problem.workload].sum())
        seconds = min(_FIXED_S + _PER_OPTION_S * options, self.request.options.time_limit_s)
        return (
            options,
            seconds + _PER_TABLE_S * self.users,
            _PER_OPTION_BYTE * options + _PER_USER_BYTE * self.users,
        )

    def solve(self, progress: Progress) -> Outcome:
        asked = self.request.options
        started = time.perf_counter()
        options = Options(gap=asked.gap)
        planning = progress.part(0.0, _PLANNED, time_limit_s=asked.time_limit_s)
        served, ids, told = self.admitted(planning)
        assembled = served.assembled
        solution, certificate = answer(assembled.problem, options, planning)
        seconds = time.perf_counter() - started
        if solution.infeasibility is not None:
            found = replace(
                solution.infeasibility,
                conflict=confirmed(assembled.problem, solution.infeasibility, planning),
            )
            whole, listed = present.infeasible(assembled.problem, found, ids)
            return Outcome(
                status="timed_out" if solution.timed_out else "infeasible",
                result=None,
                infeasible=whole,
                users=listed,
                solve_s=seconds,
            )
        assert certificate is not None
        assert solution.decision is not None
        left_s = max(asked.time_limit_s - seconds, _LEAST_FOR_RULES * asked.time_limit_s)
        return Outcome(
            status="timed_out" if solution.timed_out else "solved",
            result=served.compared(solution, certificate, options, progress, left_s) | told,
            infeasible=None,
            users=present.users(assembled, ids, solution.decision),
            solve_s=seconds,
        )

    @property
    def value(self) -> Floats:
        """(users,) what serving each is worth."""
        return np.array([1.0 if user.value is None else user.value for user in self.request.users])

    def admitted(self, progress: Progress) -> tuple[Self, Sequence[str], dict[str, Any]]:
        """The request of those who are planned for, their ids, and what the result says of that; as
        it is where nobody fits. Raises RefutedAnswer.
        """
        ids = self.ids
        if self.request.options.admission is None:
            return self, ids, {}
        from solvers.multiuser.solve.admission import admit

        problem = self.assembled.problem
        value = self.value
        found = admitted(problem, value, admit, progress)
        if len(found.users) == 0:
            return self, ids, {}
        told = admission.told(ids, [CellAdmission(None, np.arange(len(ids)), value, found)])
        served = replace(self, assembled=replace(self.assembled, problem=problem.only(found.users)))
        return served, [ids[n] for n in found.users.tolist()], {"admission": told}

    def compared(
        self,
        solution: Solution[Decision, Infeasibility],
        certificate: Certificate,
        options: Options,
        progress: Progress,
        left_s: float,
    ) -> dict[str, Any]:
        """The result beside those of simpler rules, and beside the plan that is free to switch."""
        problem, decision = self.assembled.problem, solution.decision
        assert decision is not None
        steady = problem.steadiness is not None
        part_s = left_s / (_RULES + steady)

        def compared(step: Step, /) -> Step:
            return replace(
                step,
                stage=Stage.BASELINES,
                objective=solution.objective,
                bound=solution.lower_bound,
            )

        ruled = progress.part(_PLANNED, _RULED, time_limit_s=_RULES * part_s, amend=compared)
        result = present.result(
            self.assembled, solution, certificate, baselines(problem, options, ruled)
        )
        if steady:
            freed = progress.part(_RULED, time_limit_s=part_s, amend=compared)
            result["steadiness"] = present.steadiness(
                problem, decision, _price(problem, decision, options, freed)
            )
        return result


def _price(
    problem: Problem, decision: Decision, options: Options, progress: Progress
) -> SteadinessPrice | None:
    """What steadiness costs; None where time ran out before there was a free plan (there is one:
    the steady one).
    """
    try:
        return price_of_steadiness(problem, decision, options, progress)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class PreparedAdaptive(Prepared):
    """Questions for tables, each asked once."""

    kind: ClassVar[str] = "adaptive"

    request: AdaptiveRequest
    assembled: AssembledTables

    @property
    def users(self) -> int:
        return len(self.assembled.problem_of)

    def effective_options(self) -> dict[str, Any]:
        return self.request.options.model_dump(mode="json")

    def size(self) -> tuple[int, float, int]:
        of = self.assembled
        options = sum(len(of.problems[number].cut) for number in of.problem_of)
        return (
            options,
            _FIXED_TABLES_S + _PER_TABLE_S * len(of.problems),
            _PER_USER_BYTE * self.users,
        )

    def solve(self, progress: Progress) -> Outcome:
        of = self.assembled
        started = time.perf_counter()
        built = []
        progress.stage(Stage.TABLE)
        for done, problem in enumerate(of.problems):
            progress.tick(done / len(of.problems))
            built.append(tabulate(problem))
        seconds = time.perf_counter() - started
        hysteresis = self.request.options.hysteresis
        answers = [
            {
                **run.refs,
                "frequency_hz": workload.frequency_hz,
                "hysteresis": hysteresis,
                "least_rate_bps": present.least_rate_bps(table),
                "table": present.table(problem, table, workload),
            }
            for (table, _), problem, workload, run in zip(
                built, of.problems, of.workloads, of.runs, strict=True
            )
        ]
        unserved = sum(answers[number]["least_rate_bps"] is None for number in of.problem_of)
        excess = max(certificate.objective for _, certificate in built)
        return Outcome(
            status="solved",
            result={
                "certificate": {"status": "optimal", "holds": True, "excess": excess},
                "unserved": unserved,
            },
            infeasible=None,
            users=[
                {"id": user.id, **answers[number]}
                for user, number in zip(self.request.users, of.problem_of, strict=True)
            ],
            solve_s=seconds,
        )


def prepare(request: MultiUserRequest, resolver: Resolver) -> PreparedMultiUser:
    """Resolve, map and check a request.

    Raises InvalidRequest with everything that is wrong in it.
    """
    assembled = assemble(request, resolver)
    resolver.refuse_faults()
    assert assembled is not None
    return PreparedMultiUser(
        resolver=resolver, sources=assembled.sources, request=request, assembled=assembled
    )


def steady(
    prepared: PreparedMultiUser, previous: Mapping[str, dict[str, Any]], max_switches: int
) -> PreparedMultiUser:
    """Hold users to the cut, bits and codec of their entry in an earlier plan, but for
    `max_switches` of them.
    """
    entries = [previous.get(user.id) for user in prepared.request.users]
    options = [
        None if entry is None else (entry["cut"], entry["bits"], entry.get("codec"))
        for entry in entries
    ]
    return replace(prepared, assembled=hold(prepared.assembled, options, max_switches))


def prepare_tables(request: AdaptiveRequest, resolver: Resolver) -> PreparedAdaptive:
    """Resolve, map and check a request for tables.

    Raises InvalidRequest with everything that is wrong in it.
    """
    assembled = assemble_tables(request, resolver)
    resolver.refuse_faults()
    assert assembled is not None
    return PreparedAdaptive(
        resolver=resolver, sources=assembled.sources, request=request, assembled=assembled
    )
