"""A family of its own in a copy of the program: two folders, and an entry in each registry.

Every user runs a network and is cut where it sends the fewest bytes, or, with `least_flop`, where
its device computes the least. It shows what the service needs of a family, and nothing more.
"""

import shutil
from pathlib import Path
from textwrap import dedent

CHECKOUT = Path(__file__).parents[2]

_SCIENCE = {
    "__init__": (
        '''
        """Cut every network where least is sent."""
    '''
    ),
    "problem": (
        '''
        """Costs to choose from."""

        from dataclasses import dataclass

        from solvers.arrays import Floats, Integers


        @dataclass(frozen=True, slots=True, kw_only=True)
        class Problem:
            """One row of costs per user, padded with infinity."""

            cost: Floats


        @dataclass(frozen=True, slots=True, kw_only=True)
        class Decision:
            """The cut of every user."""

            cut: Integers
    '''
    ),
    "solve": (
        '''
        """The least cost of every row."""

        from solvers.outcome import Options, Solution, Status
        from solvers.progress import Progress, Stage
        from solvers.toy.problem import Decision, Problem


        def solve(
            problem: Problem, options: Options, progress: Progress
        ) -> Solution[Decision, None]:
            progress.stage(Stage.SWEEP, 0.5)
            best = float(problem.cost.min(axis=1).sum())
            decision = Decision(cut=problem.cost.argmin(axis=1))
            return Solution(
                status=Status.OPTIMAL, decision=decision, objective=best, lower_bound=best
            )
    '''
    ),
    "check": (
        '''
        """Whether nobody pays more than it must."""

        from enum import StrEnum

        from solvers.outcome import Certificate, Violation
        from solvers.toy.problem import Decision, Problem


        class Constraint(StrEnum):
            """What a decision can break."""

            LEAST = "least"


        def check(problem: Problem, decision: Decision) -> Certificate:
            chosen = [row[cut] for row, cut in zip(problem.cost, decision.cut, strict=True)]
            dear = [
                Violation(constraint=Constraint.LEAST, user=user, excess=float(cost - min(row)))
                for user, (row, cost) in enumerate(zip(problem.cost, chosen, strict=True))
                if cost > min(row)
            ]
            return Certificate(objective=float(sum(chosen)), used={}, violations=tuple(dear))
    '''
    ),
}

_SERVICE = {
    "__init__": (
        '''
        """The toy family: requests, and plans from them."""
    '''
    ),
    "schemas": (
        '''
        """What is asked of the toy family, and what it answers."""

        from typing import Literal

        from app.plans.schemas import PlanBase, Request, UserId
        from app.profiles.schemas.model import Model
        from app.quantities import Body


        class ToyUser(Body):
            """A network to cut."""

            id: UserId
            model: str | Model
            least_flop: bool = False


        class ToyRequest(Request):
            """Networks to cut."""

            users: list[ToyUser]


        class ToyUserResult(Body):
            """Where one is cut."""

            id: UserId
            cut: int


        class ToyResult(Body):
            """All of them."""

            cost: float
            users: list[ToyUserResult] | None = None
            users_url: str | None = None


        class ToyPlan(PlanBase):
            """A plan of the toy family."""

            kind: Literal["toy"]
            options: dict[str, bool]
            result: ToyResult | None
    '''
    ),
    "run": (
        '''
        """One request of the toy family from JSON to its answer."""

        from dataclasses import dataclass
        from typing import Any, ClassVar

        import numpy as np
        from app.plans.family import Outcome, Prepared
        from app.plans.resolve import Resolver
        from app.plans.toy.schemas import ToyRequest
        from app.profiles.schemas.model import Model
        from solvers.outcome import Options
        from solvers.registry import answer
        from solvers.toy.problem import Problem


        @dataclass(frozen=True, slots=True)
        class PreparedToy(Prepared):
            """Networks, ready to be cut."""

            kind: ClassVar[str] = "toy"

            request: ToyRequest
            problem: Problem

            @property
            def users(self) -> int:
                return len(self.problem.cost)

            def effective_options(self) -> dict[str, Any]:
                return {}

            def size(self) -> tuple[int, float, int]:
                return int(np.isfinite(self.problem.cost).sum()), 0.001, self.problem.cost.nbytes

            def solve(self, progress) -> Outcome:
                solution, _ = answer(self.problem, Options(), progress)
                users = zip(self.request.users, solution.decision.cut, strict=True)
                return Outcome(
                    status="solved",
                    result={"cost": solution.objective},
                    infeasible=None,
                    users=[{"id": user.id, "cut": int(cut)} for user, cut in users],
                    solve_s=0.0,
                )


        def prepare(request: ToyRequest, resolver: Resolver) -> PreparedToy:
            found = [
                resolver.find(Model, user.model, f"/users/{n}/model")
                for n, user in enumerate(request.users)
            ]
            resolver.refuse_faults()
            most = max(len(model.body.cuts) for model in found)
            cost = np.full((len(found), most), np.inf)
            for row, user, model in zip(cost, request.users, found, strict=True):
                by = "flop" if user.least_flop else "feature_byte"
                row[: len(model.body.cuts)] = [getattr(cut, by) for cut in model.body.cuts]
            return PreparedToy(
                resolver=resolver, sources=found, request=request, problem=Problem(cost=cost)
            )
    '''
    ),
    "family": (
        '''
        """The toy family, as the service knows it."""

        from app.plans.family import Family
        from app.plans.toy.run import prepare
        from app.plans.toy.schemas import ToyPlan, ToyRequest, ToyUserResult

        TOY = Family(
            kind="toy",
            summary="Cuts where least is sent",
            description="Every network is cut where it sends the fewest bytes.",
            request=ToyRequest,
            plan=ToyPlan,
            users=(ToyUserResult,),
            prepare=prepare,
            decision=lambda entry: entry["cut"],
            carries=("cut",),
            decided=("cut",),
        )
    '''
    ),
}


def copy_with_toy(folder: Path) -> Path:
    """The program with one family more, in a folder to be put first on the path."""
    for package in ("app", "client", "migrations", "notation", "profiler", "solvers"):
        shutil.copytree(CHECKOUT / package, folder / package)  # with what is compiled of it
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    for home, modules in (("solvers/toy", _SCIENCE), ("app/plans/toy", _SERVICE)):
        (folder / home).mkdir()
        for name, source in modules.items():
            (folder / home / f"{name}.py").write_text(dedent(source).lstrip())
    _enter(
        folder / "app/plans/families.py",
        "from app.plans.stopping.family import STOPPING\n",
        "from app.plans.toy.family import TOY\n",
    )
    _enter(folder / "app/plans/families.py", "(ROBUST, STOPPING, MULTI_USER, ADAPTIVE", ", TOY")
    _enter(
        folder / "solvers/registry.py",
        "    return Family(solve.solve, check.check, check.TOLERANCE)\n",
        "\n\ndef _toy() -> Family:\n    from solvers.toy import check, solve\n\n"
        "    return Family(solve.solve, check.check)\n",
    )
    _enter(
        folder / "solvers/registry.py",
        '        "solvers.stopping.problem": _stopping,\n',
        '        "solvers.toy.problem": _toy,\n',
    )
    _enter(folder / "pyproject.toml", '    "multiuser | robust | stopping', " | toy")
    return folder


def _enter(file: Path, after: str, entry: str) -> None:
    source = file.read_text()
    assert source.count(after) == 1, (file, after)
    file.write_text(source.replace(after, after + entry))
