"""One cell of the robust family at many uplinks: each plan starts from the price of the one before.

What the options cost at a price is worked out once for a stretch of uplinks. Only those near the
best are planned with and looked at again; of all others it is proven that no plan with them is
better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from solvers.arrays import Booleans, Integers
from solvers.compiled.library import library
from solvers.outcome import Certificate, Options, RefutedAnswer
from solvers.progress import Progress
from solvers.registry import answer
from solvers.robust.check.nearby import Claim, Reference, prove_together, reference
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve import RobustSolution
from solvers.robust.solve.certified import certified
from solvers.robust.solve.kernel import by_kernel
from solvers.robust.solve.kernel.cell import covers, pairs

# Larger cells are priced and proven without a search: nothing is gained.
_MOST_USERS, _MOST_OPTIONS = 50, 50_000
# A little above the price of the widest uplink: the same options then serve more of the narrower.
_AHEAD = 1.1
_AGREEMENT = 1e-9

Plans = Iterator[tuple[RobustSolution, Certificate | None]]


def sweepable(problem: Problem) -> bool:
    """Whether `swept` gains anything with a cell."""
    few = problem.users <= _MOST_USERS and pairs(problem) <= _MOST_OPTIONS
    return few and library() is not None and covers(problem) and not problem.server_capacity


def swept(
    problem: Problem, bandwidths_hz: Sequence[float], options: Options, progress: Progress
) -> Plans:
    """The plans of a cell at falling uplinks [Hz], each as `registry.answer` says it.

    Ends with the first that has none, for narrower uplinks have none either, or where `progress` is
    over.

    Raises
    ------
    RefutedAnswer
        where the check contradicts the solver.
    Cancelled
        where nothing is wanted any more.
    """
    latest: RobustSolution | None = None
    left = list(bandwidths_hz)
    while left and not progress.over():
        near = None if latest is None else _near(problem, latest, left[0])
        stretch = [] if near is None else list(near.planned(left, options, progress))
        if near is not None and stretch:
            told = near.checked(stretch, options, progress)
            del left[: len(told)]
        else:
            told = [answer(problem.with_bandwidth(left.pop(0)), options, progress.part())]
        yield from told
        if told[-1][0].decision is None:
            return
        latest = told[-1][0]


@dataclass(frozen=True, slots=True)
class _Planned:
    """A plan as the solver tells it."""

    problem: Problem
    """The options near the best, with its uplink."""
    solution: RobustSolution
    beyond_j: float
    """What any plan spends at least that takes other options."""


@dataclass(frozen=True, slots=True)
class _Near:
    """A cell with the options near the best at some price."""

    whole: Problem
    some: Problem
    of: Reference
    rows: Integers
    """(kept rows,) of the table of the whole cell."""

    def planned(
        self, bandwidths_hz: Sequence[float], options: Options, progress: Progress
    ) -> Iterator[_Planned]:
        """The first plans at falling uplinks, as long as no other options may be better."""
        for bandwidth_hz in bandwidths_hz:
            if progress.over():
                return
            some = self.some.with_bandwidth(bandwidth_hz)
            found = by_kernel(some, options, _unheard(progress), prove=True)
            if found is None or found.objective is None or found.lower_bound is None:
                return
            beyond_j = self.of.beyond_j(bandwidth_hz)
            if beyond_j < min(found.lower_bound, found.objective * (1.0 - options.gap)):
                return
            yield _Planned(some, found, beyond_j)

    def checked(
        self, stretch: Sequence[_Planned], options: Options, progress: Progress
    ) -> list[tuple[RobustSolution, Certificate | None]]:
        """These plans, all looked at together. Raises RefutedAnswer."""
        compiled = library()
        assert compiled is not None
        together, decision = all_together(self.some, [each.solution for each in stretch])
        together = together.with_bandwidth(sum(each.problem.bandwidth_hz for each in stretch))
        claims = [
            Claim(
                each.problem,
                each.solution.decision.option,
                each.solution.lower_bound or 0.0,
                each.solution.prices,
            )
            for each in stretch
            if each.solution.decision is not None
        ]
        proven = prove_together(compiled, claims, together, decision, options.gap)
        return [
            self._told(each, certificate, options, progress)
            for each, certificate in zip(stretch, proven, strict=True)
        ]

    def _told(
        self, each: _Planned, certificate: Certificate, options: Options, progress: Progress
    ) -> tuple[RobustSolution, Certificate]:
        """A plan in the options of the whole cell. Raises RefutedAnswer."""
        solution, energy_j = each.solution, certificate.objective
        assert solution.decision is not None
        assert solution.objective is not None
        assert solution.lower_bound is not None
        agrees = abs(solution.objective - energy_j) <= _AGREEMENT * energy_j
        bounded = solution.lower_bound <= energy_j * (1.0 + _AGREEMENT)
        if not (certificate.holds and agrees and bounded):
            raise RefutedAnswer(solution, certificate)
        kept, whole = self.some.workloads.first, self.whole.workloads.first
        workload = self.whole.workload
        rows = self.rows[kept[workload] + solution.decision.option]
        decision = replace(solution.decision, option=rows - whole[workload])
        bound_j = min(solution.lower_bound, each.beyond_j)
        told = certified(decision, solution.objective, bound_j, solution.prices, options, progress)
        assert certificate.lower_bound is not None
        lower_j = min(certificate.lower_bound, each.beyond_j)
        return told, replace(certificate, lower_bound=lower_j)


def _near(problem: Problem, latest: RobustSolution, bandwidth_hz: float) -> _Near | None:
    """The options near the best up to an uplink, at about the price of the plan before."""
    assert latest.decision is not None
    assert latest.objective is not None
    whole = problem.with_bandwidth(bandwidth_hz)
    price = _AHEAD * latest.prices.get("dual_bandwidth_j_per_hz", 0.0)
    of = reference(whole, latest.decision, price, latest.objective)
    if of is None or not _of_every_workload(whole, of.kept):
        return None
    some = replace(whole, workloads=whole.workloads.keep(of.kept))
    return _Near(whole, some, of, np.flatnonzero(of.kept))


def _of_every_workload(problem: Problem, kept: Booleans) -> bool:
    first = problem.workloads.first
    return bool(np.all(np.add.reduceat(kept.astype(np.int64), first[:-1]) > 0))


def _unheard(progress: Progress) -> Progress:
    """Time and wishes of a solve whose steps are nobody's news: its plans are."""
    return Progress(time_limit_s=progress.left_s(), stop=progress.asked)


def all_together(problem: Problem, solutions: Sequence[RobustSolution]) -> tuple[Problem, Decision]:
    """Plans of one cell at several uplinks as one of a cell with as many users: what concerns a
    user alone is worked out for all of them at once.
    """
    decisions = [each.decision for each in solutions if each.decision is not None]
    assert len(decisions) == len(solutions)
    names = ("option", "frequency_hz", "bandwidth_hz")
    columns = {name: np.concatenate([getattr(d, name) for d in decisions]) for name in names}
    users = {field.name: getattr(problem, field.name) for field in fields(problem)}
    again: dict[str, Any] = {
        name: np.tile(column, len(decisions))
        for name, column in users.items()
        if isinstance(column, np.ndarray)
    }
    return replace(problem, **again), Decision(**columns)
