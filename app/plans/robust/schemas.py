"""The robust family as JSON."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.plans.schemas import Certificate, GainDb, PlanBase, Request, SnrReference, UserId
from app.profiles.schemas import ChannelRef, DeviceRef, ModelRef, ServerRef, TimingRef
from app.quantities import Body, Count, NonNegative, Positive, Probability, absent

Margin = Literal["cantelli", "gaussian", "mean", "worst_case"]

EXAMPLE: dict[str, Any] = {
    "name": "lobby-cameras",
    "channel": "lte-10mhz",
    "server": "nvidia-t4",
    "users": [
        {
            "id": "camera-1",
            "device": "jetson-xavier-nx-cpu",
            "model": "alexnet",
            "distance_m": 120.0,
            "deadline_s": 0.2,
            "risk": 0.02,
        },
        {
            "id": "camera-2",
            "device": "jetson-xavier-nx-cpu",
            "model": "alexnet",
            "distance_m": 60.0,
            "deadline_s": 0.2,
            "risk": 0.02,
        },
    ],
}


class RobustUser(Body):
    """A device that runs one network before a deadline, again and again."""

    id: UserId
    device: DeviceRef
    model: ModelRef
    device_timing: TimingRef | None = absent()
    """Default: the stored timing of this device with this model."""
    server_timing: TimingRef | None = absent()
    """Default: the stored timing of the server with this model, else remaining flop over the server's capacity."""
    gain_db: GainDb | None = absent()
    """Mean channel power gain; one of gain_db, distance_m, snr_reference is required."""
    distance_m: Positive | None = absent()
    """Distance to the base station; needs the channel's path_loss."""
    snr_reference: SnrReference | None = absent()
    tx_power_w: Positive | None = absent()
    """Default: the device's."""
    deadline_s: Positive
    risk: Probability
    """Accepted probability of missing the deadline."""
    correlation: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1.0, le=1.0)] = 0.0
    """Of device and server time."""


class RobustOptions(Body):
    """How to plan."""

    method: Literal["exact"] = "exact"
    margin: Margin = "cantelli"
    """`cantelli` holds for every distribution with the given mean and variance; `gaussian` only for normal times."""
    gap: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-9, le=1.0)] = 1e-6
    """Relative distance to the lower bound at which a plan counts as optimal."""
    time_limit_s: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0.0, le=3600.0)] = 60.0
    seed: Annotated[Count, Field(le=2**32 - 1)] = 0
    explain: bool = False
    """Say of every cut of every user why it is not taken (`alternatives`)."""


class RobustRequest(Request):
    """Plan cut, clock and bandwidth of every user of a cell at least energy."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    channel: ChannelRef
    bandwidth_hz: Positive | None = absent()
    """Uplink to share; default: the channel's."""
    server: ServerRef
    users: Annotated[tuple[RobustUser, ...], Field(min_length=1)]
    options: RobustOptions = RobustOptions()

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self._faults()):
            raise PydanticCustomError("semantics", "the content does not hold together", {"faults": faults})
        return self

    def _faults(self) -> Iterator[FieldError]:
        seen: dict[str, int] = {}
        for n, user in enumerate(self.users):
            if user.id in seen:
                yield FieldError(f"/users/{n}/id", f"is the id of user {seen[user.id]} too: ids must differ")
            seen.setdefault(user.id, n)
            given = [f for f in ("gain_db", "distance_m", "snr_reference") if getattr(user, f) is not None]
            if not given:
                yield FieldError(f"/users/{n}", "say how good the channel is: gain_db, distance_m or snr_reference")
            elif len(given) > 1:
                yield FieldError(f"/users/{n}/{given[1]}", f"{given[0]} says it already: give one of them")
            if self.options.margin == "gaussian" and user.risk > 0.5:
                yield FieldError(f"/users/{n}/risk", "must be at most 0.5 with the gaussian margin")


class Latency(Body):
    """Delay of one inference: its parts are means; `bound_s` = mean + margin is what meets the deadline."""

    mean_s: float
    std_s: float
    bound_s: float
    device_s: float
    uplink_s: float
    network_s: float
    server_s: float


class Alternative(Body):
    """A cut, and what speaks against it."""

    cut: Count
    cut_name: str
    cell_energy_at_least_j: float | None
    """Proven: no plan of the cell in which this user takes this cut spends less; null where there is no such plan."""
    binding: Literal["clock", "rate", "margin", "memory"] | None
    """What stops the cut even if the user had the whole uplink."""
    short_by_s: float | None


class RobustUserResult(Body):
    """What one device should do."""

    id: str
    cut: Count
    cut_name: str
    frequency_hz: float
    bandwidth_hz: NonNegative
    bandwidth_share: float
    rate_bps: float
    energy_j: float
    compute_energy_j: float
    radio_energy_j: float
    latency: Latency
    deadline_s: float
    slack_s: float
    violation_bound: float
    """No distribution with these means and variances misses the deadline more often."""
    valid_gain_db: tuple[float | None, float | None]
    """The gains at which this cut, clock and share still meet the deadline; null: unbounded, or nothing is sent."""
    fallback_cut: int | None
    """The cut for gains outside: it sends nothing and keeps the deadline; null where there is none."""
    alternatives: list[Alternative] | None = absent()
    """Why not another cut: all cuts in order, the one taken among them; with `options.explain`."""


class Energy(Body):
    """An objective."""

    energy_j: float


class BaselineResult(Body):
    """What a simpler rule would spend; null where it cannot keep the deadlines."""

    energy_j: float | None
    feasible: bool


class MeanOnlyResult(Body):
    """What planning with means alone would spend, and how late it could be."""

    energy_j: float | None
    violation_bound_max: float | None


class BaselineResults(Body):
    """The yardsticks, on the same cell."""

    device_only: BaselineResult
    edge_only: BaselineResult
    equal_share: BaselineResult
    mean_only: MeanOnlyResult


class RobustResult(Body):
    """A plan that was checked."""

    objective: Energy
    users: list[RobustUserResult] | None = absent()
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    cut_counts: dict[str, Count]
    """Users per cut, `model/cut name`."""
    certificate: Certificate
    baselines: BaselineResults


class Reason(Body):
    """Why a cut does not work for a user, with the whole uplink and the largest clock."""

    cut: Count
    binding: Literal["clock", "rate", "margin", "memory"]
    short_by_s: float | None


class InfeasibleUser(Body):
    """A user who fails even alone, and the least change of each kind that would help; null: none would."""

    id: str
    reasons: list[Reason]
    least_deadline_s: float | None
    least_risk: float | None
    least_bandwidth_hz: float | None


class RobustInfeasible(Body):
    """Why there is no plan. No user listed: each works alone, but the cell is over-subscribed."""

    users: list[InfeasibleUser] | None = absent()
    users_url: str | None = absent()
    least_total_bandwidth_hz: float | None
    """The sum of what the users need at least; null where some user cannot be helped by bandwidth."""
    least_deadline_factor: float | None
    """The least factor on all deadlines that makes room for everyone; null unless the cell is over-subscribed."""


class RobustPlan(PlanBase):
    """A plan of the robust family."""

    kind: Literal["robust"]
    options: RobustOptions
    """As they took effect."""
    result: RobustResult | None
    infeasible: RobustInfeasible | None = absent()
