"""The stopping family as JSON."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.plans.schemas import GainDb, PlanBase, Request, UserId
from app.profiles.schemas.references import ChannelRef, DeviceRef, ModelRef, ServerRef, TimingRef
from app.quantities import Body, Count, Decibel, NonNegative, Positive, absent

EXAMPLE: dict[str, Any] = {
    "name": "patrol-robots",
    "channel": "lte-10mhz",
    "downlink_bps": 2.0e7,
    "server": "nvidia-t4",
    "users": [
        {
            "id": "robot-1",
            "device": "jetson-xavier-nx-cpu",
            "model": "alexnet",
            "mean_snr_db": 15.0,
        },
        {
            "id": "robot-2",
            "device": "jetson-xavier-nx-cpu",
            "model": "mobilenet-v2",
            "distance_m": 250.0,
        },
    ],
    "weights": {"time_per_s": 1.0, "energy_per_j": 0.5},
    "inferences_per_update": 10_000,
}

STATES = ("mean_snr_db", "gain_db", "distance_m")

# A weight is 0 or between these: outside, the two could not be added up.
_LEAST_WEIGHT, _LARGEST_WEIGHT = 1e-12, 1e12

Weight = Annotated[NonNegative, Field(le=_LARGEST_WEIGHT)]


class StoppingUser(Body):
    """A device that runs layer after layer and hands over to the edge when the channel is good."""

    id: UserId
    device: DeviceRef
    model: ModelRef
    device_timing: TimingRef | None = absent()
    """Default: the stored timing of this device with this model."""
    server_timing: TimingRef | None = absent()
    """Default: the stored timing of the server with this model, else remaining flop over the
    server's capacity.
    """
    mean_snr_db: Annotated[Decibel, Field(ge=-200.0, le=200.0)] | None = absent()
    """Over the whole bandwidth; of log-normal shadowing the mean in decibels.

    One of mean_snr_db, gain_db, distance_m
    is required, except on a channel given in rates."""
    gain_db: GainDb | None = absent()
    """Mean channel power gain."""
    distance_m: Positive | None = absent()
    """Distance to the base station; needs the channel's path_loss."""
    frequency_hz: Positive | None = absent()
    """The device's clock; default: its highest."""


class Weights(Body):
    """What a second and a joule cost; at least one of them something."""

    time_per_s: Weight
    energy_per_j: Weight


class StoppingOptions(Body):
    """How to plan."""

    rule: Literal["backward_induction", "one_stage_look_ahead"] = "backward_induction"
    """`backward_induction` is optimal; `one_stage_look_ahead` compares offloading now with
    offloading a layer later.
    """
    placement: Count | None = absent()
    """Place exactly this many layers; default: as many as pay."""
    nodes: Annotated[Count, Field(ge=256, le=4096)] = 256
    """Of the quadrature over a fading channel; more are taken where the independent check asks for
    it.
    """
    waiting: Literal["in_outage", "always"] = "in_outage"
    """When a device may wait one coherence time for another look at the channel."""
    clairvoyant: bool | None = absent()
    """Whether to compute the clairvoyant bound, the dearest baseline; default: for up to 1,000
    users.
    """
    time_limit_s: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0.0, le=3600.0)] = (
        60.0
    )
    """Users not begun by then follow one-stage look-ahead, and the plan is `timed_out`."""


class StoppingRequest(Request):
    """Plan for each device which layers to place on it, and the table by which it decides when to
    offload.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    channel: ChannelRef
    bandwidth_hz: Positive | None = absent()
    """Uplink of each user; default: the channel's."""
    downlink_bps: Positive | None = absent()
    """Over which the layers are placed; default: the channel's."""
    server: ServerRef
    users: Annotated[tuple[StoppingUser, ...], Field(min_length=1)]
    weights: Weights
    inferences_per_update: NonNegative
    """Inferences served until the model is placed anew; above 0."""
    options: StoppingOptions = StoppingOptions()

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self._faults()):
            raise PydanticCustomError(
                "semantics", "the content does not hold together", {"faults": faults}
            )
        return self

    def _faults(self) -> Iterator[FieldError]:
        seen: dict[str, int] = {}
        for n, user in enumerate(self.users):
            if user.id in seen:
                yield FieldError(
                    f"/users/{n}/id", f"is the id of user {seen[user.id]} too: ids must differ"
                )
            seen.setdefault(user.id, n)
            given = [field for field in STATES if getattr(user, field) is not None]
            if len(given) > 1:
                yield FieldError(
                    f"/users/{n}/{given[1]}", f"{given[0]} says it already: give one of them"
                )
        weights = {"time_per_s": self.weights.time_per_s, "energy_per_j": self.weights.energy_per_j}
        if not any(weights.values()):
            yield FieldError(
                "/weights",
                "both are 0, so nothing would cost anything: give time or energy a weight",
            )
        for field, weight in weights.items():
            if 0.0 < weight < _LEAST_WEIGHT:
                yield FieldError(f"/weights/{field}", f"must be 0 or at least {_LEAST_WEIGHT:g}")
        if not 1e-9 <= self.inferences_per_update <= 1e18:
            detail = (
                "must be above 0 (1e-9 to 1e18): the cost of placing is spread over the inferences"
                " it serves"
            )
            yield FieldError("/inferences_per_update", detail)


class StoppingExpected(Body):
    """Means per inference; `cost` = time_per_s × time_s + energy_per_j × energy_j, without the
    placement.
    """

    cost: float
    time_s: float
    energy_j: float
    placement_cost: float


class StoppingPoint(Body):
    """What another placement would cost per inference; null: no finite cost."""

    placement: Count
    placement_cost: float
    running_cost: float | None
    total_cost: float | None
    fits_memory: bool


class StoppingRow(Body):
    """What to do at a cut: offload when the rate seen is at least `rate_bps`, else compute on or
    wait.
    """

    cut: Count
    cut_name: str
    offload: Literal["always", "never", "threshold"]
    rate_bps: float | None = absent()
    snr_db: float | None = absent()
    """The same threshold over the whole bandwidth; left out on a channel given in rates."""
    gain_db: float | None = absent()
    """The same threshold at the device's transmit power; left out on a channel given in rates."""
    in_outage: Literal["wait", "continue"]
    """Where nobody may transmit."""
    below: Literal["wait", "continue"] | None = absent()
    """Below the threshold, where waiting is allowed at any time; else a device computes on."""
    stop_states: list[Count] | None = absent()
    """Markov channels: the states to offload in; without `rate_bps` only they say when."""
    wait_states: list[Count] | None = absent()
    """Markov channels: the states to wait in."""
    stop_probability: float
    """That an inference ends at this cut."""


class StoppingTable(Body):
    """What a device carries: one row for every cut up to the placement."""

    schema_version: Literal[1]
    min_rate_bps: float
    """Slower than this is an outage."""
    state_rate_bps: list[float] | None = absent()
    """Markov channels: the rate of each state."""
    rows: list[StoppingRow]


class StoppingOffer(Body):
    """What a simpler rule would cost per inference at a placement of its own; null: no finite cost,
    or no room.
    """

    placement: Count
    cost: float | None
    placement_cost: float
    total_cost: float | None
    feasible: bool


class StoppingLookAhead(StoppingOffer):
    """The one-stage look-ahead rule."""

    dearer_by: float | None
    """Its total cost less that of this plan's; per inference."""
    cost_at_same_placement: float | None
    """Its running cost under this plan's placement."""


class StoppingClairvoyant(Body):
    """Under the same placement no rule costs less: it sees the whole path of the channel in
    advance.
    """

    placement: Count
    cost: float | None
    placement_cost: float
    total_cost: float | None


class StoppingBaselines(Body):
    """The plan's neighbours; fixed cuts wait out outages."""

    device_only: StoppingOffer
    edge_only: StoppingOffer
    best_fixed: StoppingOffer
    clairvoyant: StoppingClairvoyant | None


class StoppingUserResult(Body):
    """What one device should do."""

    id: str
    placement: Count
    """Layers to place: the last cut it may reach."""
    cut_name: str
    placement_byte: float
    frequency_hz: float
    mean_snr_db: float | None
    """null on a channel given in rates."""
    expected: StoppingExpected
    total_cost: float
    """Per inference, placement included."""
    curve: list[StoppingPoint]
    beyond_memory: list[str]
    """Names of the cuts whose layers do not fit the device's memory: no candidates."""
    table: StoppingTable
    look_ahead: StoppingLookAhead
    baselines: StoppingBaselines


class StoppingObjective(Body):
    """Sums over users of the expected cost per inference."""

    cost: float
    running_cost: float
    placement_cost: float


class StoppingCertificate(Body):
    """The proof: a lower bound on every rule and placement, and an independent check of this
    plan.
    """

    status: Literal["optimal", "feasible"]
    """`optimal`: backward induction over every placement allowed, for every user."""
    lower_bound: float | None
    """null where time ran out."""
    gap: float | None
    """Relative distance to the bound under the integrals as computed.

    On a fading channel these are good to 1e-6, which
    the check holds them to, so that much may be left open at a gap of 0; traces and chains are
    exact."""
    holds: bool
    """Tables, costs, times and energies were evaluated again by code with formulas of its own."""
    nodes: Count
    """Of the quadrature that satisfied the check."""
    users_retraced: Count
    """Users whose whole curve over placements was computed again as well."""


class StoppingTotal(Body):
    """A baseline summed over users; null: somebody has no finite cost under it, or it was not asked
    for.
    """

    cost: float | None


class StoppingTotals(Body):
    """What simpler rules would cost the whole fleet."""

    device_only: StoppingTotal
    edge_only: StoppingTotal
    best_fixed: StoppingTotal
    look_ahead: StoppingTotal
    clairvoyant: StoppingTotal


class StoppingResult(Body):
    """A plan that was checked."""

    objective: StoppingObjective
    users: list[StoppingUserResult] | None = absent()
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    placement_counts: dict[str, Count]
    """Users per placement, `model/cut name`."""
    certificate: StoppingCertificate
    baselines: StoppingTotals


class StoppingInfeasibleUser(Body):
    """A user whom no placement serves at a finite cost."""

    id: str
    reason: Literal["memory", "outage"]
    """`memory`: the placement asked for does not fit; `outage`: the channel is never up, and not
    all of the network may or can stay on the device."""
    placement: Count
    """The placement that would be needed."""
    short_by_byte: float | None
    """Memory missing for it; null where it fits."""


class StoppingInfeasible(Body):
    """Why there is no plan."""

    users: list[StoppingInfeasibleUser] | None = absent()
    users_url: str | None = absent()


class StoppingPlan(PlanBase):
    """A plan of the stopping family."""

    kind: Literal["stopping"]
    options: StoppingOptions
    """As they took effect."""
    result: StoppingResult | None
    infeasible: StoppingInfeasible | None = absent()
