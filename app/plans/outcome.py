"""What a family hands back to be stored and answered."""

from dataclasses import dataclass
from typing import Any

from app.plans.schemas import PlanStatus


@dataclass(frozen=True, slots=True)
class Outcome:
    """A solved, infeasible or timed-out plan; `users` belong to the result, or else to the reasons."""

    status: PlanStatus
    result: dict[str, Any] | None
    infeasible: dict[str, Any] | None
    users: list[dict[str, Any]]
    solve_s: float
