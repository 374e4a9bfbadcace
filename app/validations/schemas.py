"""Validations as JSON."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from app.errors import FieldError
from app.plans.carried import UserOfPlan
from app.plans.schemas import PlanId
from app.quantities import Body, Count, NextCursor, PositiveCount, absent

Distribution = Literal["gamma", "lognormal", "two_point", "empirical"]

REPLAYED = "replayed"
# How far a validation has come that nobody is at.
UNBEGUN: dict[str, Any] = {"fraction": 0.0, "stage": "queued"}

EXAMPLE: dict[str, Any] = {
    "trials": 10_000,
    "seed": 0,
    "distributions": ["gamma", "lognormal", "two_point"],
}


class ValidationRequest(Body):
    """Replay a robust plan: draw every user's total time again and again, and count the missed
    deadlines.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    trials: Annotated[PositiveCount, Field(le=1_000_000)] = 10_000
    """Inferences per user and distribution."""
    seed: Annotated[Count, Field(le=2**32 - 1)] = 0
    """The same seed draws the same times; what one distribution draws does not depend on the others
    asked for.
    """
    distributions: Annotated[tuple[Distribution, ...], Field(min_length=1)] = (
        "gamma",
        "lognormal",
        "two_point",
    )
    """All have each user's mean and variance.

    `two_point` is the worst there is: no other is late more often.
    """

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self._faults()):
            raise PydanticCustomError(
                "semantics", "the content does not hold together", {"faults": faults}
            )
        return self

    def _faults(self) -> Iterator[FieldError]:
        for n, distribution in enumerate(self.distributions):
            if distribution in self.distributions[:n]:
                yield FieldError(
                    f"/distributions/{n}", f"{distribution} is there twice: leave one of them out"
                )


class ValidationPlanCheck(Body):
    """The plan's constraints, recomputed from its request and the revisions it pinned."""

    holds: Literal[True]
    """Every constraint is kept; a plan of which that is not so is never replayed."""
    energy_j: float | None
    """Energy of one inference of every user [J]; null where users say `rate_hz`: see `power_w`."""
    power_w: float | None = absent()
    """Power of all users, as often as they infer [W], where they say `rate_hz`."""
    bandwidth_used_hz: float
    """Sum of all users' shares of the uplink [Hz]."""


class ValidationUserReplay(Body):
    """How often one user was late."""

    id: UserOfPlan
    misses: Count
    """How many of the drawn times are later than the user's deadline."""
    share: float
    """Misses per trial."""
    interval: tuple[float, float]
    """Exact binomial (Clopper-Pearson) interval of the share at 95 %."""
    risk: float
    """What the user accepts."""
    rejected: bool
    """Whether the misses refute the risk.

    Over all users and distributions together, at most one validation in 1,000
    of plans that keep every risk refutes any."""


class ValidationLawSummary(Body):
    """What one distribution did to the plan."""

    users_count: Count
    """How many users were replayed."""
    misses_total: Count
    """Missed deadlines of all users together."""
    share_max: float
    """The largest share of missed deadlines that any user has, misses per trial."""
    rejected_users: Count
    """How many users' misses refute the risk that they accept."""


class ValidationWindow(Body):
    """Misses in a row of inferences, as they were measured one after the other."""

    inferences: PositiveCount
    """Length of the window."""
    misses_max: Count
    """At most so many of any so many consecutive inferences of any of these users were late."""
    users_count: Count
    """Users whose times are known in their order: one part varies, at one clock."""


class ValidationLawReplay(ValidationLawSummary):
    """What one distribution did to the plan, and to whom."""

    worst: list[ValidationUserReplay]
    """Up to 20: those whose risk is refuted, then the most misses for the risk they accept."""
    users: list[ValidationUserReplay] | None = absent()
    """All, in the order of the request; only in plans of up to 1,000 users."""
    windows: list[ValidationWindow] | None = absent()
    """With `empirical`: bursts, which shares do not show."""


class ValidationHead(Body):
    """What is said of a validation whether or not it has been replayed."""

    number: PositiveCount
    """Counts the plan's validations from 1."""
    plan_id: PlanId
    """The plan that was replayed."""
    created_at: datetime
    """When the replay was asked for."""
    trials: PositiveCount
    """Inferences that were drawn per user and distribution."""
    seed: Count
    """Where the pseudo-random draws started: the same seed draws the same times."""
    distributions: list[Distribution]
    """The laws that times were drawn from, in the order of the request."""


class ValidationProgress(Body):
    """How far a replay has come."""

    fraction: Annotated[float, Field(ge=0.0, le=1.0)]
    """From 0 to 1; starts again with another attempt."""
    stage: str
    """The distribution that is drawn from; `queued` before the first."""


class ValidationFailure(Body):
    """Why a validation has no findings, through no fault of the request."""

    reason: Literal["refuted", "crashed", "internal"]
    """`refuted`: the independent check contradicts the stored plan; `crashed`: the replaying
    process died again and again; `internal`: a fault of the service."""
    detail: str
    """The reason in words."""


class ValidationJob(ValidationHead):
    """A validation in the background without findings: it waits, runs, failed or was cancelled."""

    object: Literal["validation_job"]
    """What this answer is: once it is replayed, it is a `validation`."""
    status: Literal["queued", "running", "failed", "cancelled"]
    """`queued` and `running` go on: look again after `Retry-After`."""
    started_at: datetime | None
    """When its first attempt began; null while it waits."""
    finished_at: datetime | None
    """When it failed or was cancelled; null before."""
    progress: ValidationProgress
    """How far its latest attempt has come."""
    failure: ValidationFailure | None = absent()
    """Of a failed one."""


class ValidationSummary(ValidationHead):
    """A validation in a list."""

    object: Literal["validation"]
    """What this answer is: one without findings is a `validation_job`."""
    status: Literal["replayed"]
    """It has ended, and says what it found."""
    holds: bool
    """No distribution refutes any user's risk."""
    check: ValidationPlanCheck
    """The plan's constraints, recomputed beside the replay."""
    solver_version: str
    """The release of Splitplan that replayed the plan."""
    laws: Mapping[Distribution, ValidationLawSummary]
    """What each of the distributions did to the plan."""


class Validation(ValidationSummary):
    """What a replay found: the evidence, kept with the plan."""

    laws: Mapping[Distribution, ValidationLawReplay]
    """What each of the distributions did to the plan, and to whom."""


ValidationOrJob = TypeAliasType(
    "ValidationOrJob", Annotated[Validation | ValidationJob, Field(discriminator="object")]
)
ValidationSummaryOrJob = TypeAliasType(
    "ValidationSummaryOrJob",
    Annotated[ValidationSummary | ValidationJob, Field(discriminator="object")],
)


class ValidationPage(Body):
    """One page of a plan's validations, newest last."""

    items: list[ValidationSummaryOrJob]
    """The validations of this page, by number."""
    next_cursor: NextCursor


def question(asked: ValidationRequest) -> dict[str, Any]:
    """What a validation was asked, as it is kept and told."""
    return {
        "trials": asked.trials,
        "seed": asked.seed,
        "distributions": list(asked.distributions),
    }
