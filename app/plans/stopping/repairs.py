"""Repairs of stopping plans: users do not share anything, so whom no placement serves is left
out.
"""

from collections.abc import Iterator

from app.plans.repairs import Repaired, RepairPrices
from app.plans.stopping.run import PreparedStopping, prepare
from solvers.progress import Progress


def repaired(
    prepared: PreparedStopping, prices: RepairPrices, progress: Progress
) -> Iterator[Repaired]:
    """The one repair there is: everybody is left out who cannot be served, and nobody else."""
    failing = [user["id"] for user in prepared.solve(progress.part()).users]
    own = prices.users or {}
    price = [own.get(user, prices.drop) for user in failing]
    gone = set(failing)
    users = tuple(user for user in prepared.request.users if user.id not in gone)
    if not users or any(one is None for one in price):
        return
    rest = prepare(prepared.request.model_copy(update={"users": users}), prepared.resolver)
    outcome = rest.solve(progress.part())
    if outcome.result is None:
        return
    cost = float(sum(one for one in price if one is not None))
    told = Repaired("drop", cost, cost, dropped=failing)
    told.objective = {"cost": outcome.result["objective"]["cost"]}
    told.optimal = outcome.result["certificate"]["status"] == "optimal"
    yield told
