"""What the service asks of a family of problems, and of a request that it has prepared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, get_args

from pydantic import BaseModel

from app.arrow import pa
from app.field_names import branches
from app.plans.columnar import Bulk
from app.plans.repairs import Repaired, RepairPrices
from app.plans.resolve import Resolver, Source
from app.plans.schemas import PlanBase, PlanStatus, Request
from app.profiles.schemas.profile import FieldWarning, Profile
from solvers.progress import Progress


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
    warnings: tuple[FieldWarning, ...] = ()
    """What looks like a mistake only once it is planned."""

    @property
    def gap(self) -> float | None:
        """The proven relative gap, where there is one of the whole plan."""
        certificate = (self.result or {}).get("certificate") or {}
        gap: float | None = certificate.get("gap")
        return gap


@dataclass(frozen=True, slots=True)
class Prepared(ABC):
    """A prepared request."""

    kind: ClassVar[str]

    resolver: Resolver
    sources: list[Source[Profile]]
    request: Request

    @property
    @abstractmethod
    def users(self) -> int:
        """How many users it plans for."""

    @property
    def ids(self) -> Sequence[str]:
        """Of these users, in the order of the request."""
        return [user.id for user in getattr(self.request, "users", ())]

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
    def solve(self, progress: Progress) -> Outcome:
        """Solve, check, compare with the baselines; the time limit is the request's."""


Json = dict[str, Any]
Prepare = Callable[[Json], Prepared]
"""A request as JSON, resolved, mapped and checked. Raises InvalidRequest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What came of one plan; None: nobody knows, or the family has nothing of the kind."""

    status: PlanStatus | Literal["invalid"]
    objective: float | None = None
    lower_bound: float | None = None
    checked_lower_bound: float | None = None
    gap: float | None = None
    energy_j: float | None = None
    latency_mean_s: float | None = None
    latency_max_s: float | None = None
    slack_min_s: float | None = None
    violation_max: float | None = None
    loss_mean: float | None = None
    bandwidth_used_hz: float | None = None
    price: float | None = None
    reason: str | None = None


class Survey(Protocol):
    """Plans many requests of one family: what they have in common is done once."""

    def outlines(
        self, bodies: Sequence[Json], prepare: Prepare, progress: Progress
    ) -> Iterator[tuple[int, Outline]]:
        """What comes of each, by its position, in any order.

        Raises Cancelled where `progress` is stopped, and ends early where the best so far is asked
        for. No transaction is open while it is at work.
        """


Entries = Mapping[str, dict[str, Any]]
"""What a plan says of its users, by their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of plan: how it is asked for, planned, answered, and planned again."""

    kind: str
    """Its name in addresses, answers and rows, at most 16 characters."""
    summary: str
    description: str
    """What its endpoint offers, in the API's documentation."""
    request: type[Request]
    plan: type[PlanBase]
    users: tuple[type[BaseModel], ...]
    """What a plan may say of a user: in its result, and in its reasons where there is none."""
    prepare: Callable[[Any, Resolver], Prepared]
    """Resolve, map and check a request. Raises InvalidRequest."""
    decision: Callable[[dict[str, Any]], Hashable]
    """What of a user's entry is its decision."""
    carries: tuple[str, ...]
    """The fields of a user's result that it carries out: who differs in none of them from an
    earlier plan goes on as before."""
    decided: tuple[str, ...]
    """The fields of a user's entry that are its decision."""
    prepare_bulk: Callable[[Bulk, Resolver], Prepared] | None = None
    """How it reads a request whose users are columns; None: it takes JSON only."""
    steady: Callable[[Any, Entries, int], Prepared] | None = None
    """Hold a request to the entries of an earlier plan, but for some users; None: it cannot."""
    survey: Callable[[], Survey] | None = None
    """How it plans many requests that differ little; None: as it plans each of them."""
    repairs: Callable[[Any, RepairPrices, Progress], Iterable[Repaired]] | None = None
    """How a prepared request without a plan gets one, at some prices; None: it always has one."""
    rests_on_samples: Callable[[dict[str, Any]], bool] = lambda _: False
    """Whether a plan with these options reads the samples behind its timings."""

    @property
    def user(self) -> type[BaseModel]:
        """What a request says of one user."""
        return next(
            kind
            for several in branches(self.request.model_fields["users"].annotation)
            for kind in get_args(several)
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        )
