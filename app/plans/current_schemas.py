"""What is told of the names of plans: which plan is current, and whom a new one concerns."""

from datetime import datetime
from typing import Literal

from app.plans.documents import PlanKind
from app.plans.schemas import PlanId, PlanRevocation, PlanStatus
from app.quantities import Body, Count, Name, absent


class ChangedUser(Body):
    """A user whom another current plan concerns."""

    id: str
    """The `id` of the user in the plan's request."""
    change: Literal["added", "removed", "changed"]
    """`changed`: it has something else to carry out; `removed`: the plan says nothing of it any
    more."""


class ChangedUserPage(Body):
    """One page of the users whom an event concerns: added and changed ones in the order of the
    plan's request, then removed ones.
    """

    items: list[ChangedUser]
    """The users of this page."""
    next_cursor: str | None
    """To be passed as `cursor`; null on the last page."""


class CurrentPlanChanges(Body):
    """Whom another current plan concerns: users for whom a field that they carry out differs (cut,
    clock, bandwidth, bits, codec, table, ...), and not what is only expected of it.
    """

    added: Count
    """How many users the earlier plan said nothing of."""
    removed: Count
    """How many users the new plan says nothing of."""
    changed: Count
    """How many users have something else to carry out."""
    users: list[ChangedUser] | None = absent()
    """All of them, where they are at most 1000."""
    users_url: str | None = absent()
    """Where all of them are, where they are more."""


class CurrentPlanEvent(Body):
    """How a name stands: the data of its `current` and `revoked` events."""

    name: Name
    """The name that requests gave their plans."""
    at: datetime | None = absent()
    """When that came to be; absent where it was not told as an event before."""
    because: Literal["ended", "deleted", "revoked", "asked"]
    """A plan ended with a result, the current one was deleted, or it was revoked; `asked`: nothing
    happened, a reader came who holds no known event."""
    plan: PlanId | None
    """The current plan; null where the name has none."""
    kind: PlanKind | None
    """The kind of the current plan."""
    status: PlanStatus | None
    """The status of the current plan: it has a result, whatever the status."""
    users_count: Count
    """How many users the current plan has."""
    previous: PlanId | None
    """The plan that was current until then; null where there was none, or it is still current."""
    revoked: PlanRevocation | None = absent()
    """Since when the current plan is no longer trusted, and why."""
    changes: CurrentPlanChanges | None
    """Against the previous plan; null where there is nothing to compare with: then everything is
    new to the reader, but after `revoked`, where nothing has changed."""
