"""What repairs of a plan are asked for and answered with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.plans.schemas import UserId
from app.quantities import Body, Count, NonNegative, absent

RepairKind = Literal["drop", "deadline", "risk", "bandwidth", "server", "mixed"]


class RepairPrices(Body):
    """What changes cost the caller, in any unit of money or regret; what has no price is not
    changed, and a price of 0 is for nothing."""

    drop: NonNegative | None = absent()
    """Of leaving out a user, times its `value`, which is 1 where its request says none."""
    users: dict[UserId, NonNegative | None] | None = absent()
    """Of leaving out these users, whatever `drop` and their `value` say; null: this one has to
    stay."""
    deadline_per_s: NonNegative | None = absent()
    """Of one more second of a deadline [cost/s]."""
    risk: NonNegative | None = absent()
    """Of one more of a risk, that is of 1: raising one from 0.02 to 0.05 costs 0.03 of this. Robust
    plans only."""
    bandwidth_per_hz: NonNegative | None = absent()
    """Of one more hertz of an uplink, in cost per [Hz]."""
    server_per_flop_per_s: NonNegative | None = absent()
    """Of one more of the server, in cost per [FLOP/s]. Multi-user plans only."""
    server_per_inference: NonNegative | None = absent()
    """Of one more inference that a server works on at once (`parallel`). Robust plans whose users
    say `rate_hz` only."""


class RepairsRequest(Body):
    """What the caller would pay for which changes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prices": {
                        "drop": 10.0,
                        "users": {"camera-1": None},
                        "deadline_per_s": 50.0,
                        "bandwidth_per_hz": 2e-6,
                    }
                }
            ]
        }
    )

    prices: RepairPrices
    """Of the changes that may be made; one at least."""
    time_limit_s: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0.0, le=600.0)] = 60.0
    """Time that looking for repairs may take [s]. A first plan of each repair is made however short
    it is, so cells of thousands of users with many options take longer."""


class LaterDeadline(Body):
    """A deadline that a repair loosens."""

    id: str
    """Whose it is."""
    before_s: float
    """As the plan's request has it [s]."""
    deadline_s: float
    """As the repair has it [s]."""


class LargerRisk(Body):
    """A risk that a repair raises."""

    id: str
    """Whose it is."""
    before: float
    """As the plan's request has it."""
    risk: float
    """As the repair has it."""


class WiderUplink(Body):
    """An uplink that a repair widens."""

    cell: str | None = absent()
    """Of which cell; absent where the request lists none."""
    before_hz: float
    """As the plan had it [Hz]."""
    bandwidth_hz: float
    """As the repair has it [Hz]."""


class LargerServer(Body):
    """A server of which a repair takes more."""

    cell: str | None = absent()
    """Of which cell; absent where the request lists none."""
    server: str
    """The server, as `name@revision`, or `inline:name` for a body sent with the request."""
    parallel: Count | None = absent()
    """Inferences that it has to work on at once. Of robust plans."""
    server_flop_per_s: float | None = absent()
    """Its capacity [FLOP/s]; all times on it, also those of timings, shrink as it grows. Of
    multi-user plans."""


class RepairObjective(Body):
    """What the repaired plan comes to, in the unit of its family."""

    energy_j: float | None = absent()
    """Energy of one inference of every user, summed [J]. Of robust plans."""
    power_w: float | None = absent()
    """Power of all users [W]; of robust plans whose users say `rate_hz`."""
    cost: float | None = absent()
    """Of the other families: the total cost that their plans make least."""


class PlanRepair(Body):
    """Changes with which there is a plan: it was made, and checked."""

    kind: RepairKind
    """What it changes; `mixed`: several things, in several cells perhaps."""
    cost: float
    """What it costs at the prices asked with."""
    cost_at_least: float
    """Proven: no repair of this kind costs less."""
    proof: Literal["cheapest", "found"]
    """`cheapest`: `cost_at_least` is the cost itself, but for rounding."""
    users_dropped: list[str]
    """Ids of the users it leaves out, in the order of the request."""
    deadlines: list[LaterDeadline]
    """Deadlines that it loosens."""
    risks: list[LargerRisk]
    """Risks that it raises."""
    bandwidths: list[WiderUplink]
    """Uplinks that it widens."""
    servers: list[LargerServer]
    """Servers of which it takes more."""
    objective: RepairObjective
    """What the plan of the repaired request comes to."""
    status: Literal["optimal", "feasible"]
    """How far that plan is proven to be the best of the repaired request; its constraints were
    checked."""
    patch: dict[str, Any] | None
    """What to send to `POST /v1/plans/{id}/replan` for it; null where it takes more of a server,
    which is a profile of its own."""


class NoRepair(Body):
    """A change that has a price, and does not help."""

    kind: RepairKind
    """Which change it is."""
    detail: str
    """Why there is none."""


class PlanRepairs(Body):
    """What would give an infeasible plan's request a plan."""

    plan: str
    """Which plan is repaired; it stays as it is."""
    repairs: list[PlanRepair]
    """Repairs, cheapest first: one of each kind that has a price and helps, and one of several
    kinds where that is cheaper than each of them."""
    without: list[NoRepair]
    """What has a price and does not help."""


@dataclass(slots=True)
class Repaired:
    """A repair as a family tells it."""

    kind: str
    cost: float
    at_least: float
    dropped: list[str] = field(default_factory=list)
    deadlines: list[dict[str, Any]] = field(default_factory=list)
    risks: list[dict[str, Any]] = field(default_factory=list)
    bandwidths: list[dict[str, Any]] = field(default_factory=list)
    servers: list[dict[str, Any]] = field(default_factory=list)
    objective: dict[str, float] = field(default_factory=dict)
    optimal: bool = True

    def told(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The repair of a plan whose request had this body."""
        proven = self.cost - self.at_least <= 1e-9 * self.cost
        return {
            "kind": self.kind,
            "cost": self.cost,
            "cost_at_least": self.cost if proven else self.at_least,
            "proof": "cheapest" if proven else "found",
            "users_dropped": self.dropped,
            "deadlines": self.deadlines,
            "risks": self.risks,
            "bandwidths": self.bandwidths,
            "servers": self.servers,
            "objective": self.objective,
            "status": "optimal" if self.optimal else "feasible",
            "patch": None if self.servers else self._patch(body),
        }

    def _patch(self, body: Mapping[str, Any]) -> dict[str, Any]:
        users: dict[str, Any] = dict.fromkeys(self.dropped)
        for name, changes in (("deadline_s", self.deadlines), ("risk", self.risks)):
            for change in changes:
                users.setdefault(change["id"], {})[name] = change[name]
        patch: dict[str, Any] = {"users": users} if users else {}
        hertz = {change.get("cell"): change["bandwidth_hz"] for change in self.bandwidths}
        if None in hertz:
            patch["bandwidth_hz"] = hertz[None]
        elif hertz:
            patch["cells"] = [
                cell | ({"bandwidth_hz": hertz[cell["id"]]} if cell["id"] in hertz else {})
                for cell in body["cells"]
            ]
        return patch
