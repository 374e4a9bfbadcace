"""Users who cannot be served together, as every family tells them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from app.quantities import Body, Count, absent
from solvers.outcome import Conflict

if TYPE_CHECKING:
    from solvers.arrays import Integers

# Of each conflict, and of all together; how many there are is always said.
_LISTED, _LISTED_IN_ALL = 1_000, 10_000


class PlanConflict(Body):
    """Why not everybody can be served: users who fail alone, or a set of users who collide.

    There is no plan while any conflict stays whole. A mended one may leave others: of the users
    who collide one smallest set is told, not every set."""

    kind: Literal["alone", "together"]
    """`alone`: each of these users is a conflict by itself, for the reasons that `infeasible.users`
    has. `together`: each could be served alone, all of them cannot."""
    cell: str | None = absent()
    """The cell they are in; absent where the request lists none."""
    users_count: Count
    """How many users it has."""
    users: list[str]
    """The ids of the first 1,000 of them, in the order of the request; of all conflicts 10,000."""
    proof: Literal["smallest", "minimal", "found"] | None = absent()
    """Of users who collide. `smallest`: no set that collides has fewer. `minimal`: without any one
    of them the others can be served. `found`: they collide, perhaps with more users than it
    takes."""
    at_least: Count | None = absent()
    """Proven, of users who collide: no set of fewer users does."""
    removals_checked: Count | None = absent()
    """For so many of its members an independent check agreed that the others can be served without
    that one."""


CONFLICTS = Field(
    description="Who stands in each other's way, cell by cell; absent in plans of earlier releases."
)


class CellConflicts(NamedTuple):
    """Who fails in a cell; users by their positions in the request."""

    cell: str | None
    alone: "Integers"  # rising
    together: Conflict | None


def conflicts(ids: Sequence[str], cells: Sequence[CellConflicts]) -> dict[str, Any]:
    """What an answer says of the conflicts of its cells, and of how many users fail alone."""
    left, told = _LISTED_IN_ALL, []
    for entry, who in _entries(cells):
        named = who[: min(_LISTED, left)].tolist()
        left -= len(named)
        told.append({**entry, "users_count": len(who), "users": [ids[n] for n in named]})
    return {"users_failing": sum(len(cell.alone) for cell in cells), "conflicts": told}


def _entries(cells: Sequence[CellConflicts]) -> Iterator[tuple[dict[str, Any], "Integers"]]:
    for cell, alone, together in cells:
        place = {} if cell is None else {"cell": cell}
        if len(alone):
            yield {"kind": "alone", **place}, alone
        if together is not None:
            proven = {
                "proof": together.proof.value,
                "at_least": together.at_least,
                "removals_checked": together.removals_checked,
            }
            yield {"kind": "together", **place, **proven}, together.users
