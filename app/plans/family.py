"""What the common house asks of a family: a prepared request that can estimate itself and solve itself."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from app.plans.resolve import Dossier, Source, used
from app.plans.schemas import Estimate, PlanKind, PlanStatus, Request
from app.profiles.schemas import Profile
from solvers.outcome import Report, silent


@dataclass(frozen=True, slots=True)
class Watch:
    """How a solver is watched: where it reports, and the clock its time limit is measured by.

    Whoever wants the best plan so far moves the clock past the limit; whoever wants none lets `report` raise
    `solvers.outcome.Cancelled`.
    """

    report: Report = silent
    clock: Callable[[], float] = time.perf_counter


UNWATCHED = Watch()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a plan ended; `users` belong to the result, or else to the reasons."""

    status: PlanStatus
    result: dict[str, Any] | None
    infeasible: dict[str, Any] | None
    users: list[dict[str, Any]]
    solve_s: float
    failure: dict[str, Any] | None = None
    table: pa.Table | None = None
    """What is said of the users of a large plan, in columns, instead of `users`."""


@dataclass(frozen=True, slots=True)
class Prepared(ABC):
    """A request that passed customs."""

    kind: ClassVar[PlanKind]

    dossier: Dossier
    sources: list[Source[Profile]]
    request: Request

    @property
    @abstractmethod
    def users(self) -> int:
        """How many users it plans for."""

    @abstractmethod
    def effective_options(self) -> dict[str, Any]:
        """The options as they take effect."""

    @abstractmethod
    def size(self) -> tuple[int, float, int]:
        """Options to choose from, seconds and bytes that solving may take."""

    @property
    def heavy(self) -> bool:
        """Whether only a worker may solve it, however few its users."""
        return False

    @abstractmethod
    def solve(self, watch: Watch = UNWATCHED) -> Outcome:
        """Solve, check, compare with the baselines."""

    def estimate(self) -> Estimate:
        """What a dry run answers."""
        options, seconds, byte = self.size()
        weakest, _ = used(self.sources, assumed=self.dossier.assumed)
        return Estimate(
            kind=self.kind,
            users=self.users,
            options=options,
            solve_s=seconds,
            memory_byte=byte,
            effective_options=self.effective_options(),
            provenance=weakest,
            warnings=self.dossier.warnings or None,
        )
