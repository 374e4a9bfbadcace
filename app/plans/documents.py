"""What names every kind of plan: the documents of all families."""

from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from app.plans.families import FAMILIES
from app.plans.family import Prepared
from app.plans.resolve import used
from app.plans.schemas import PlanId, PlanStatus
from app.profiles.schemas.profile import FieldWarning, Provenance
from app.quantities import Body, Count, absent

if TYPE_CHECKING:
    PlanKind = str
    AnyPlan = Any
    AnyUserResult = Any
else:  # the registry says which kinds there are, and no type checker reads it
    PlanKind = Literal[tuple(FAMILIES)]
    AnyPlan = Annotated[
        reduce(or_, (family.plan for family in FAMILIES.values())), Field(discriminator="kind")
    ]
    AnyUserResult = reduce(or_, (entry for family in FAMILIES.values() for entry in family.users))


class Estimate(Body):
    """What a dry run says: the request is valid, and this is what answering it would take."""

    kind: PlanKind
    users: Count
    options: Count
    """Combinations of user, cut and clock level to choose from."""
    solve_s: float
    memory_byte: Count
    effective_options: dict[str, Any]
    provenance: Provenance
    warnings: list[FieldWarning] | None = absent()


class PlanSummary(Body):
    """A plan in a list."""

    id: PlanId
    kind: PlanKind
    status: PlanStatus
    name: str | None
    users: Count
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class PlanPage(Body):
    """One page of plans, newest first."""

    items: list[PlanSummary]
    next_cursor: str | None


def estimate(prepared: Prepared) -> Estimate:
    """What a dry run answers."""
    options, seconds, byte = prepared.size()
    weakest, _ = used(prepared.sources, assumed=prepared.resolver.assumed)
    return Estimate(
        kind=prepared.kind,
        users=prepared.users,
        options=options,
        solve_s=seconds,
        memory_byte=byte,
        effective_options=prepared.effective_options(),
        provenance=weakest,
        warnings=prepared.resolver.warnings or None,
    )
