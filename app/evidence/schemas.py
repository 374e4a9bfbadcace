"""Reports of devices, and how their plan stands against them."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.plans.carried import UserOfPlan
from app.plans.schemas import PlanId, PlanRevocation, UserSaid
from app.quantities import Body, Count, NextCursor, PositiveCount, absent

MOST_REPORTS = 10_000

EXAMPLE: dict[str, Any] = {
    "reports": [
        {"user": "camera-1", "sequence": 41, "inferences": 300, "misses": 2},
        {"user": "camera-2", "sequence": 17, "inferences": 300, "misses": 0},
    ]
}


class MissReport(Body):
    """How many inferences a user finished since its report before, and how many were late."""

    user: UserSaid
    sequence: Annotated[PositiveCount, Field(le=2**53)]
    """Counts the user's reports from 1. A report that comes again, or after later ones, counts
    once."""
    inferences: Annotated[Count, Field(le=10**12)]
    """How many inferences the user finished since its report before."""
    misses: Annotated[Count, Field(le=10**12)]
    """Of these, how many took longer than the user's deadline."""
    at: AwareDatetime | None = absent()
    """When the last of them ended."""


class MissReports(Body):
    """Reports of any users of a plan, in any order."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    reports: Annotated[tuple[MissReport, ...], Field(min_length=1, max_length=MOST_REPORTS)]
    """At most 10,000, of any users, in any order."""

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        faults = [
            FieldError(
                f"/reports/{n}/misses",
                f"cannot be more than inferences ({report.inferences})",
            )
            for n, report in enumerate(self.reports)
            if report.misses > report.inferences
        ]
        if faults:
            raise PydanticCustomError(
                "semantics", "the content does not hold together", {"faults": faults}
            )
        return self


class UserEvidence(Body):
    """What speaks against the risk that a user was promised."""

    user: UserOfPlan
    risk: float
    """Accepted probability of missing the deadline: what the plan promised this user."""
    inferences: Count
    """How many inferences its reports are of."""
    misses: Count
    """How many of these took longer than its deadline."""
    e_value: float
    """What one coin would have become by betting against the promise, several bets mixed. While the
    promise holds, whatever came before, it ever reaches 1/(1 - confidence) with probability at most
    1 - confidence."""
    refuted: bool
    """Whether it ever did."""
    refuted_at: datetime | None
    """When it did; null unless it did."""
    sequence: Count
    """All reports up to this one are counted; it and those below need not be sent again."""
    missing: list[tuple[int, int]]
    """Reports that have not come though later ones have, as ranges of sequence numbers."""
    updated_at: datetime
    """When the latest report of the user was counted."""


class PlanEvidence(Body):
    """How a plan stands against what its users saw."""

    plan: PlanId
    """The plan under which the users ran."""
    confidence: float
    """How sure a refutation is: at most 1 - confidence of plans that keep their promises are
    refuted; `options.confidence` of the plan."""
    users_reporting: Count
    """Users of whom any report was counted."""
    users_refuted: Count
    """Users whose own evidence reached 1/(1 - confidence)."""
    inferences: Count
    """Inferences that all reports together are of."""
    misses: Count
    """How many of these took longer than their user's deadline."""
    e_value: float
    """The mean over all users of the plan, those without a report counting 1: the plan is revoked
    where it reaches 1/(1 - confidence), which happens to a fleet whose promises all hold with
    probability at most 1 - confidence, however many users it has."""
    revoked: PlanRevocation | None = absent()
    """Since when the plan is no longer trusted, and why; absent while it is."""


class MissReportsCounted(PlanEvidence):
    """What came of some reports."""

    counted: Count
    """Reports that were new."""
    repeated: Count
    """Reports that had been counted before."""
    users: list[UserEvidence]
    """The users who reported, in the order in which they first appear; the first 1,000."""


class UserEvidencePage(Body):
    """One page of the users of a plan who have reported, by id."""

    items: list[UserEvidence]
    """The users of this page, by id."""
    next_cursor: NextCursor
