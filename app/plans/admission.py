"""Who is planned for where not everybody fits, as every family tells it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from app.quantities import Body, Count, absent

if TYPE_CHECKING:
    from solvers.arrays import Floats, Integers
    from solvers.subsets.admission import Admission

# How many there are is always said.
_LISTED = 10_000

ADMISSION = Field(description="Who is planned for; with `options.admission` only.")


class NotAdmitted(Body):
    """A user who is not planned for."""

    id: str
    """The `id` that the request gave this user."""
    cell: str | None = absent()
    """The cell in which it is; absent where the request lists none."""
    value: float
    """What serving it would have been worth."""
    reason: Literal["alone", "room"]
    """`alone`: no plan serves it, not even alone; `room`: none does beside those who are planned
    for."""


class PlanAdmission(Body):
    """Which users are planned for, and what is proven of their value."""

    status: Literal["optimal", "feasible"]
    """`optimal`: proven that no users who have a plan together are worth more; `feasible`: not
    more than `value_at_most`."""
    value: float
    """What the users who are planned for are worth together."""
    value_at_most: float
    """Proven: no users who have a plan together are worth more."""
    checked_value_at_most: float
    """What the independent check proves of that by itself, with formulas of its own: a bound that
    may be a little higher."""
    users_admitted: Count
    """How many are planned for."""
    users_not_admitted: Count
    """How many are not."""
    not_admitted: list[NotAdmitted]
    """The first 10,000 of them, in the order of the request."""


class CellAdmission(NamedTuple):
    """Whom a cell admits; users by their positions in the request."""

    cell: str | None
    users: "Integers"  # of the cell, rising
    value: "Floats"  # (users,) what each of these is worth
    found: "Admission"  # by their positions among these


def told(ids: Sequence[str], cells: Sequence[CellAdmission]) -> dict[str, Any]:
    """What an answer says of the admission of its cells."""
    left_out = sorted(entry for cell in cells for entry in _left_out(cell))
    value = sum(cell.found.value for cell in cells)
    return {
        "status": "optimal" if all(cell.found.proven for cell in cells) else "feasible",
        "value": value,
        "value_at_most": max(value, sum(cell.found.at_most for cell in cells)),
        "checked_value_at_most": sum(cell.found.checked_at_most for cell in cells),
        "users_admitted": sum(len(cell.found.users) for cell in cells),
        "users_not_admitted": len(left_out),
        "not_admitted": [
            {
                "id": ids[n],
                **({} if cell is None else {"cell": cell}),
                "value": value,
                "reason": reason,
            }
            for n, cell, value, reason in left_out[:_LISTED]
        ],
    }


def _left_out(cell: CellAdmission) -> Iterator[tuple[int, str | None, float, str]]:
    served, alone = set(cell.found.users.tolist()), set(cell.found.alone.tolist())
    for n, (position, value) in enumerate(
        zip(cell.users.tolist(), cell.value.tolist(), strict=True)
    ):
        if n not in served:
            yield position, cell.cell, value, "alone" if n in alone else "room"
