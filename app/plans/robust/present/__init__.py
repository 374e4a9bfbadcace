"""The answer of the robust family: SI arrays go in, the contract's JSON comes out."""

from app.plans.robust.present.infeasible import infeasible
from app.plans.robust.present.plan import CellPlan, overloaded, result
from app.plans.robust.present.users import decided, explain, user_columns, user_table, users

__all__ = [
    "CellPlan",
    "decided",
    "explain",
    "infeasible",
    "overloaded",
    "result",
    "user_columns",
    "user_table",
    "users",
]
