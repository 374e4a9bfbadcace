"""Comparisons as JSON."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from app.http.paging import page_of
from app.plans.documents import PlanKind
from app.plans.schemas import PlanId, PlanStatus
from app.profiles.schemas.profile import Kind
from app.quantities import Body, Count, PositiveCount, absent

Change = Literal["joined", "left", "gained", "lost", "decision", "amounts"]
Reason = Literal["channel", "deadline", "risk", "profile", "options", "price", "solver"]
Pointer = Annotated[str, StringConstraints(pattern=r"^/")]


class ComparedPlan(Body):
    """One of the two plans."""

    id: PlanId
    """Of the plan."""
    name: str | None
    """What its request called it."""
    status: PlanStatus
    """How it ended."""
    has_result: bool
    """Whether it says anything that can be carried out."""
    created_at: datetime
    """When it was accepted."""
    users_count: Count
    """Users of its request."""
    revoked: bool
    """Whether it is no longer trusted."""


class DifferentTerm(Body):
    """What the two were asked for differently, but for their users."""

    field: Pointer
    """Where it is in the request; entries of lists by their `id`, options as they took effect."""
    before: Any
    """In the request of the first; null where it says nothing."""
    after: Any
    """In the request of the second; null where it says nothing."""


class DifferentProfile(Body):
    """A profile of which the two rest on other revisions."""

    kind: Kind
    """Of the profile."""
    name: str
    """Of the profile."""
    before: list[PositiveCount]
    """The revisions that the first rests on; none where it does not."""
    after: list[PositiveCount]
    """The revisions that the second rests on; none where it does not."""


class Measure(Body):
    """One figure of all users in both plans; null where a plan has no result."""

    before: float | None
    """Of the first plan."""
    after: float | None
    """Of the second plan."""
    in_both_before: float | None
    """Of the first plan, of those users only who are in both."""
    in_both_after: float | None
    """Of the second plan, of those users only who are in both."""


class UsersCompared(Body):
    """How many users changed, and how."""

    joined: Count
    """Are in the second only."""
    left: Count
    """Are in the first only."""
    gained: Count
    """Had no plan, since the first has no result, and have one."""
    lost: Count
    """Have no plan any more, since the second has no result."""
    decision: Count
    """Have another cut, or what goes with it: codec, bits, server, table."""
    amounts: Count
    """Have the same cut, and another clock, share or limit."""
    unchanged: Count
    """Carry out what they did."""
    because: dict[Reason, Count]
    """Of those whose decision or amounts changed, how many for each reason; who has several counts
    for each."""


class ComparedUser(Body):
    """What a plan has a user do; what does not apply is absent."""

    cut: Count | None = absent()
    """Index of the cut."""
    placement: Count | None = absent()
    """Layers placed on the device."""
    cut_name: str | None = absent()
    """What the model calls the cut."""
    bits: Count | None = absent()
    """Of each number that is sent."""
    codec: str | None = absent()
    """What is sent in."""
    server: str | None = absent()
    """Who does the rest."""
    model: str | None = absent()
    """The network, as `name@revision`."""
    device: str | None = absent()
    """The device, as `name@revision`."""
    frequency_hz: float | None = absent()
    """Clock of the device [Hz]."""
    bandwidth_hz: float | None = absent()
    """Its share of the uplink [Hz]."""
    server_share: float | None = absent()
    """Its part of the server."""
    energy_j: float | None = absent()
    """Expected energy of an inference [J]."""
    latency_s: float | None = absent()
    """Mean time of an inference [s]."""
    cost: float | None = absent()
    """Its part of the objective, of plans at least cost."""


class DifferentInput(Body):
    """What the two plans were told of a user differently."""

    field: str
    """The field of the user; of references what they stood for, `name@revision`."""
    before: Any
    """In the first plan; null where it says nothing."""
    after: Any
    """In the second plan; null where it says nothing."""


class UserDifference(Body):
    """A user whom the two plans tell different things."""

    id: str
    """Of the user."""
    change: Change
    """`joined` or `left`; `gained` or `lost` a plan, where one of the two has no result; another
    `decision` (cut, codec, bits, server), or other `amounts` of clock and share at the same."""
    because: list[Reason]
    """What the second plan was asked differently of this user: `channel`, `deadline`, `risk` (with
    the correlation), `profile` (another one, or another revision), `options` (what may be chosen,
    and what it is worth). Where nothing is, `price`: what is shared costs more, or less, than it
    did. Where that is the same too, `solver`: plans within the gap of each other, or of another
    release."""
    inputs: list[DifferentInput]
    """The user's own inputs that differ. What all users are asked alike is in `terms`."""
    before: ComparedUser | None
    """What the first plan says; null where it says nothing."""
    after: ComparedUser | None
    """What the second plan says; null where it says nothing."""
    sentence: str
    """The same in words."""


class Comparison(Body):
    """What distinguishes two plans, the first from the second."""

    kind: PlanKind
    """Of both plans."""
    before: ComparedPlan
    """The first plan."""
    after: ComparedPlan
    """The second plan."""
    summary: list[str]
    """The same in sentences."""
    terms: list[DifferentTerm]
    """What the requests differ in but for their users, at most 100."""
    terms_count: Count
    """How many there are."""
    profiles: list[DifferentProfile]
    """Profiles of which they rest on other revisions."""
    energy_j: Measure | None = absent()
    """Energy of one inference of every user, added up [J]; absent in plans without energies."""
    latency_s: Measure | None = absent()
    """Mean time of an inference, on average over users [s]; absent in tables, which have none."""
    cost: Measure | None = absent()
    """Cost of all users together; absent in plans at least energy."""
    users_compared: UsersCompared
    """How many users changed, and how."""
    users: list[UserDifference] | None = absent()
    """Who changed: in the order of the second plan, then who left; absent where either has more
    than 1,000 users."""
    users_url: str | None = absent()
    """Where these are when `users` is absent."""


UserDifferencePage = page_of(UserDifference)
