"""What the common house needs of each family to plan again, by kind: one more family, one more entry."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from app.plans.columnar import Bulk
from app.plans.family import Prepared
from app.plans.multiuser import run as multiuser
from app.plans.multiuser.schemas import AdaptiveRequest, MultiUserRequest
from app.plans.resolve import Dossier
from app.plans.robust import run as robust
from app.plans.robust.schemas import RobustRequest
from app.plans.schemas import Request
from app.plans.stopping import run as stopping
from app.plans.stopping.schemas import StoppingRequest

Entries = Mapping[str, dict[str, Any]]
"""What a plan says of its users, by their ids."""


@dataclass(frozen=True, slots=True)
class Family:
    """How a family reads a request, and what of a user's entry is its decision."""

    request: type[Request]
    prepare: Callable[[Any, Dossier], Prepared]
    decision: Callable[[dict[str, Any]], Hashable]
    prepare_bulk: Callable[[Bulk, Dossier], Prepared] | None = None
    """How it reads a request whose users are columns; None: it takes JSON only."""
    steady: Callable[[Any, Entries, int], Prepared] | None = None
    """Hold a prepared request to the entries of an earlier plan, but for a number of users; None: it cannot."""


FAMILIES: dict[str, Family] = {
    "robust": Family(RobustRequest, robust.prepare, lambda entry: entry["cut"], robust.prepare_columns),
    "stopping": Family(StoppingRequest, stopping.prepare, lambda entry: entry["placement"]),
    "multi-user": Family(
        MultiUserRequest,
        multiuser.prepare,
        lambda entry: (entry["cut"], entry["bits"]),
        steady=multiuser.steady,
    ),
    "adaptive": Family(
        AdaptiveRequest,
        multiuser.prepare_tables,
        lambda entry: tuple((row["cut"], row["bits"]) for row in entry["table"]["rows"]),
    ),
}
