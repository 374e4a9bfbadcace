"""What names every kind of plan: the documents of all families."""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model
from typing_extensions import TypeAliasType

from app.plans.families import FAMILIES
from app.plans.family import Prepared
from app.plans.heads import Head
from app.plans.resolve import used
from app.plans.schemas import (
    FAMILY,
    CreatedAt,
    FinishedAt,
    PendingPlanBase,
    PlanBase,
    PlanId,
    PlanName,
    StartedAt,
    Status,
    UsersCount,
)
from app.profiles.schemas.profile import FieldWarning, Provenance
from app.quantities import Body, Count, NextCursor, absent


def _pending(plan: type[PlanBase]) -> type[PendingPlanBase]:
    """What is said of a plan of a kind until it has ended."""
    own = {name: plan.model_fields[name] for name in ("kind", "options")}
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in own.items()}
    return create_model(
        f"Pending{plan.__name__}",
        __base__=PendingPlanBase,
        __doc__="A plan that is in line or being solved.",
        __module__=__name__,
        **fields,
    )


PENDING = {kind: _pending(family.plan) for kind, family in FAMILIES.items()}


def _any_kind(name: str, schemas: Iterable[Any]) -> Any:
    """One of these, by its `kind`, under a name of its own in the API's documentation."""
    return TypeAliasType(name, Annotated[reduce(or_, schemas), Field(discriminator="kind")])


if TYPE_CHECKING:
    PlanKind = str
    AnyPlan = Any
    AnyPendingPlan = Any
    AnyUserResult = Any
else:  # the registry says which kinds there are, and no type checker reads it
    PlanKind = Literal[tuple(FAMILIES)]
    AnyPlan = _any_kind("Plan", (family.plan for family in FAMILIES.values()))
    AnyPendingPlan = _any_kind("PendingPlan", PENDING.values())
    AnyUserResult = TypeAliasType(
        "PlanUserResult",
        reduce(or_, (entry for family in FAMILIES.values() for entry in family.users)),
    )


class Estimate(Body):
    """What a dry run says: the request is valid, and this is what answering it would take."""

    object: Literal["estimate"]
    """What this answer is: what was asked for without `dry_run` is a `plan`."""
    kind: Annotated[PlanKind, FAMILY]
    users_count: UsersCount
    users: Annotated[Count, Field(json_schema_extra={"deprecated": True})]
    """What `users_count` says, under its earlier name."""
    options: Count
    """Combinations of user, cut and clock level to choose from."""
    solve_s: float
    """Wall time that solving is expected to take [s], at most the request's time limit where
    its family keeps to it."""
    memory_byte: Count
    """Memory that solving is expected to need [byte]."""
    effective_options: dict[str, Any]
    """The options as they would take effect, defaults filled in."""
    provenance: Provenance
    """The least trustworthy provenance of all that the plan would rest on."""
    warnings: list[FieldWarning] | None = absent()
    """What is accepted but looks like a mistake, by field of the request; absent where nothing
    does."""


class PlanSummary(Body):
    """A plan in a list."""

    id: PlanId
    """Names the plan in every address of it: 32 hexadecimal digits."""
    kind: Annotated[PlanKind, FAMILY]
    status: Status
    name: PlanName
    users_count: UsersCount
    users: Annotated[Count, Field(json_schema_extra={"deprecated": True})]
    """What `users_count` says, under its earlier name."""
    created_at: CreatedAt
    started_at: StartedAt
    finished_at: FinishedAt


class PlanPage(Body):
    """One page of plans, newest first."""

    items: list[PlanSummary]
    """The plans of this page, newest first."""
    next_cursor: NextCursor


class PlanUserPage(Body):
    """One page of a plan's users, in the order of the request."""

    items: list[AnyUserResult]
    """What the plan says of each user of this page; of a plan without a result, why they fail."""
    next_cursor: NextCursor


def summary(row: Head) -> PlanSummary:
    """A plan as lists have it."""
    return PlanSummary(
        id=row.id,
        kind=row.kind,
        status=row.status,
        name=row.name,
        users_count=row.users,
        users=row.users,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def estimate(prepared: Prepared) -> Estimate:
    """What a dry run answers."""
    options, seconds, byte = prepared.size()
    weakest, _ = used(prepared.sources, assumed=prepared.resolver.assumed)
    return Estimate(
        object="estimate",
        kind=prepared.kind,
        users_count=prepared.users,
        users=prepared.users,
        options=options,
        solve_s=seconds,
        memory_byte=byte,
        effective_options=prepared.effective_options(),
        provenance=weakest,
        warnings=prepared.resolver.warnings or None,
    )
