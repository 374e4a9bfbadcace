"""What infeasible cells are told, planned at the number itself and below.

`python -m benchmarks.robust_remedies`.

Every remedy is put into the request it was told for, planned and checked. `at` must
have a plan and `below`, a billionth less of the number, none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from benchmarks import machine
from solvers.margin import Margin
from solvers.outcome import Options
from solvers.registry import answer
from solvers.robust.problem import Problem
from solvers.robust.solve.infeasible import Infeasibility
from tests.support.robust.cells import random_cell

CELLS = 300
BELOW = 1.0 - 1e-9
KINDS = ("generic", "levels", "tied", "single", "near the rate limit")


@dataclass(frozen=True, slots=True)
class Remedy:
    """A number that was told, and the problem that it makes of the one that has no plan."""

    name: str
    value: float
    problem: Problem
    below: Problem


def infeasible_cells(count: int) -> Iterator[tuple[str, Problem, Infeasibility]]:
    """Cells of 1 to 12 users that have no plan: late, unsure or narrow ones, of every kind and
    margin.
    """
    seed = found = 0
    while found < count:
        rng = np.random.default_rng([19, seed])
        kind = KINDS[seed % len(KINDS)]
        seed += 1
        near = kind == "near the rate limit"
        problem = random_cell(
            rng, int(rng.integers(1, 13)), int(rng.integers(2, 7)), "generic" if near else kind
        )
        hurried = rng.random(problem.users) < rng.choice([0.2, 0.6, 1.0])
        problem = replace(
            problem,
            margin=Margin(rng.choice(["cantelli", "gaussian", "mean"])),
            bandwidth_hz=problem.bandwidth_hz
            * (10.0 ** rng.uniform(1.0, 4.0) if near else rng.choice([0.02, 0.3, 1.0])),
            deadline_s=np.where(
                hurried, problem.deadline_s * rng.uniform(0.1, 1.0), problem.deadline_s
            ),
            risk=np.where(rng.random(problem.users) < 0.3, problem.risk * 1e-3, problem.risk),
        )
        solution, _ = answer(problem, QUICK)
        if solution.infeasibility is not None:
            found += 1
            yield kind, problem, solution.infeasibility


QUICK = Options(gap=1.0)  # a first plan is all that is asked for


def remedies_of(problem: Problem, found: Infeasibility) -> Iterator[Remedy]:
    """Everything that was told, as problems; what is told of a user, for the user alone."""
    for k, n in enumerate(found.users.tolist()):
        alone = _alone(problem, n)
        yield from _changed(alone, "least_deadline_s", found.least_deadline_s[k], "deadline_s")
        yield from _changed(alone, "least_risk", found.least_risk[k], "risk")
        yield from _changed(
            alone, "least_bandwidth_hz", found.least_bandwidth_hz[k], "bandwidth_hz"
        )
    yield from _changed(
        problem, "least_total_bandwidth_hz", found.least_total_bandwidth_hz, "bandwidth_hz"
    )
    together = found.together
    if np.isfinite(together.deadline_factor):
        for_all = together.deadline_factor
        at, below = (
            replace(problem, deadline_s=problem.deadline_s * factor)
            for factor in (for_all, for_all * BELOW)
        )
        yield Remedy("together.deadline_factor", for_all, at, below)
    for name, value, column, values in (
        (
            "together.bandwidth_with_deadlines_hz",
            together.bandwidth_with_deadlines_hz,
            "deadline_s",
            found.least_deadline_s,
        ),
        (
            "together.bandwidth_with_risks_hz",
            together.bandwidth_with_risks_hz,
            "risk",
            found.least_risk,
        ),
    ):
        if np.all(np.isfinite(values)):
            eased = getattr(problem, column).copy()
            eased[found.users] = values
            changes: dict[str, Any] = {column: eased}
            yield from _changed(replace(problem, **changes), name, value, "bandwidth_hz")


def _changed(problem: Problem, name: str, value: float, column: str) -> Iterator[Remedy]:
    if not (np.isfinite(value) and value > 0.0):  # 0 Hz: nobody needs to send
        return
    at, below = (
        replace(problem, **{column: number if column == "bandwidth_hz" else np.array([number])})
        for number in (float(value), float(value) * BELOW)
    )
    yield Remedy(name, float(value), at, below)


def _alone(problem: Problem, user: int) -> Problem:
    columns: dict[str, Any] = {
        field.name: getattr(problem, field.name)[user : user + 1]
        for field in fields(problem)
        if isinstance(getattr(problem, field.name), np.ndarray)
    }
    return replace(problem, **columns)


def planned(problem: Problem) -> bool:
    """Whether a problem has a plan that the check confirms."""
    return answer(problem, QUICK)[0].decision is not None


def main() -> None:
    """Print the table."""
    print(f"Measured on {machine.describe()}.\n")
    told: dict[str, list[tuple[bool, bool]]] = {}
    kinds: dict[str, int] = {}
    several = eased = 0
    for kind, problem, found in infeasible_cells(CELLS):
        kinds[kind] = kinds.get(kind, 0) + 1
        for remedy in remedies_of(problem, found):
            told.setdefault(remedy.name, []).append(
                (planned(remedy.problem), planned(remedy.below))
            )
        if len(found.users):
            several += 1
            deadlines = problem.deadline_s.copy()
            deadlines[found.users] = found.least_deadline_s
            eased += bool(np.all(np.isfinite(deadlines))) and planned(
                replace(problem, deadline_s=deadlines)
            )
    print(
        f"{CELLS} cells without a plan: "
        + ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        + "."
    )
    print("\n| remedy | told | a plan at it | a plan at (1 - 1e-9) of it |\n|---|---|---|---|")
    for name, verdicts in sorted(told.items()):
        at, below = (sum(column) for column in zip(*verdicts, strict=True))
        print(f"| `{name}` | {len(verdicts)} | {at} | {below} |")
    print(
        f"\nOf {several} cells in which somebody fails alone, the least deadlines of these alone"
        f" are enough in {eased}."
    )


if __name__ == "__main__":
    main()
