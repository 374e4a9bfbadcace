"""What devices saw under a plan, sent to a planning service and read back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from client.connection import Connection, address
from client.errors import Json


class Evidence(Connection):
    """How plans stand against what their users see."""

    def report(self, plan_id: str, reports: Sequence[Mapping[str, Any]]) -> Json:
        """Count inferences and misses of users of a running plan, at most 10,000 reports at once.

        Safe to repeat: a report counts once by its user and `sequence`. A device's `RiskMonitor`
        makes them: `{"user": "camera-1", **monitor.report()}`.
        """
        return self._json(
            "POST", _observations(plan_id), json={"reports": list(reports)}, safe=True
        )

    def evidence(self, plan_id: str) -> Json:
        """How a plan stands, and whether it is revoked."""
        return self._json("GET", _observations(plan_id))

    def reporting_users(self, plan_id: str, *, refuted: bool | None = None) -> Iterator[Json]:
        """Users who have reported, by id; with `refuted` only those whose own risk is refuted, or
        only the others.
        """
        wanted = {} if refuted is None else {"refuted": str(refuted).lower()}
        return self._items(f"{_observations(plan_id)}/users", **wanted)


def _observations(plan_id: str) -> str:
    return address("v1", "plans", plan_id, "observations")
