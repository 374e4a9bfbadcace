"""The multi-user family as JSON: joint plans and decision tables."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.plans.schemas import PlanBase, Request, UserId
from app.profiles.schemas.references import ChannelRef, DeviceRef, ModelRef, ServerRef, TimingRef
from app.quantities import Body, Count, Decibel, Fraction, NonNegative, Positive, absent

Method = Literal[
    "exact", "alternating", "equal_share", "device_only", "edge_only", "latency_only", "greedy"
]

# Far beyond anything meant, and narrow enough that squares of products stay numbers.
Weight = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-9, le=1e9)]
LossWeight = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.0, le=1e9)]
Deadline = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-9, le=1e9)]
Efficiency = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-20, le=1e3)]

EXAMPLE: dict[str, Any] = {
    "name": "lobby-cameras",
    "channel": "lte-10mhz",
    "server": "nvidia-t4",
    "users": [
        {
            "id": "camera-1",
            "device": "raspberry-pi-4-cpu",
            "model": "resnet50",
            "distance_m": 120.0,
        },
        {
            "id": "camera-2",
            "device": "jetson-xavier-nx-cpu",
            "model": "resnet50",
            "spectral_efficiency_bps_per_hz": 4.5,
            "weight": 2.0,
            "deadline_s": 0.6,
        },
    ],
    "weights": {"latency_per_s": 1.0, "loss": 10.0},
}

ADAPTIVE_EXAMPLE: dict[str, Any] = {
    "server": "nvidia-t4",
    "users": [
        {"id": "phone-1", "device": "snapdragon-835-cpu", "model": "vgg16", "deadline_s": 0.5}
    ],
    "weights": {"latency_per_s": 1.0, "loss": 10.0},
    "options": {"hysteresis": 0.1},
}


class Weights(Body):
    """What counts: cost = latency_per_s × latency + loss × accuracy lost."""

    latency_per_s: Weight
    loss: LossWeight


class AdaptiveUser(Body):
    """A device that runs one network."""

    id: UserId
    device: DeviceRef
    model: ModelRef
    device_timing: TimingRef | None = absent()
    """Default: the stored timing of this device with this model."""
    server_timing: TimingRef | None = absent()
    """Default: the stored timing of the server with this model, else remaining flop over the
    server's capacity.
    """
    deadline_s: Deadline | None = absent()
    """Largest mean latency; default: none."""
    max_loss: Fraction | None = absent()
    """Largest loss of accuracy; default: no limit."""
    frequency_hz: Positive | None = absent()
    """The device's clock; default: the highest it offers."""


class MultiUser(AdaptiveUser):
    """A device that runs one network over a shared uplink."""

    spectral_efficiency_bps_per_hz: Efficiency | None = absent()
    """What one hertz carries; one of spectral_efficiency_bps_per_hz, snr_db, distance_m is
    required.
    """
    snr_db: Annotated[Decibel, Field(ge=-200.0, le=200.0)] | None = absent()
    """Mean signal-to-noise ratio; the efficiency is log2(1 + SNR)."""
    distance_m: Positive | None = absent()
    """Distance to the base station: SNR at the device's transmit power, spread over the channel's
    own bandwidth.
    """
    weight: Weight = 1.0
    """How much this user counts."""


class MultiUserOptions(Body):
    """How to plan."""

    method: Method = "exact"
    """`exact` proves a lower bound; the other rules are there to compare with and prove nothing."""
    gap: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-9, le=1.0)] = 1e-6
    """Relative distance to the lower bound at which a plan counts as optimal."""
    time_limit_s: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0.0, le=3600.0)] = (
        60.0
    )


class AdaptiveOptions(Body):
    """How devices should use their tables."""

    hysteresis: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.0, lt=1.0)] = 0.0
    """A device leaves its cut only for one that costs less than (1 - hysteresis) of it, or when it
    is late.
    """


def _unequal_ids(users: Sequence[AdaptiveUser]) -> Iterator[FieldError]:
    seen: dict[str, int] = {}
    for n, user in enumerate(users):
        if user.id in seen:
            yield FieldError(
                f"/users/{n}/id", f"is the id of user {seen[user.id]} too: ids must differ"
            )
        seen.setdefault(user.id, n)


def _hold_together(faults: Iterator[FieldError]) -> None:
    if found := list(faults):
        raise PydanticCustomError(
            "semantics", "the content does not hold together", {"faults": found}
        )


class MultiUserRequest(Request):
    """Plan cut, bits, bandwidth and server share of every user at least weighted latency and
    loss.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    channel: ChannelRef
    bandwidth_hz: Positive | None = absent()
    """Uplink to share; default: the channel's."""
    server: ServerRef
    users: Annotated[tuple[MultiUser, ...], Field(min_length=1)]
    weights: Weights
    options: MultiUserOptions = MultiUserOptions()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _hold_together(self._faults())
        return self

    def _faults(self) -> Iterator[FieldError]:
        yield from _unequal_ids(self.users)
        ways = ("spectral_efficiency_bps_per_hz", "snr_db", "distance_m")
        for n, user in enumerate(self.users):
            given = [way for way in ways if getattr(user, way) is not None]
            if not given:
                yield FieldError(
                    f"/users/{n}",
                    f"say how good the channel is: {', '.join(ways[:-1])} or {ways[-1]}",
                )
            elif len(given) > 1:
                yield FieldError(
                    f"/users/{n}/{given[1]}", f"{given[0]} says it already: give one of them"
                )


class AdaptiveRequest(Request):
    """Make the decision table of every user: the best cut and bits at every rate of its uplink."""

    model_config = ConfigDict(json_schema_extra={"examples": [ADAPTIVE_EXAMPLE]})

    channel: ChannelRef | None = absent()
    """For its round-trip time; default: none is counted."""
    server: ServerRef
    users: Annotated[tuple[AdaptiveUser, ...], Field(min_length=1)]
    weights: Weights
    options: AdaptiveOptions = AdaptiveOptions()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _hold_together(_unequal_ids(self.users))
        return self


class RateRow(Body):
    """What to run while the rate is in [rate_from_bps, rate_to_bps)."""

    rate_from_bps: NonNegative
    rate_to_bps: float | None
    """null: without end."""
    cut: Count | None
    """null: nothing keeps the limits at these rates."""
    cut_name: str | None
    bits: Count | None
    cost_from: float | None
    """Cost at rate_from_bps; null where something would have to be sent at rate 0."""
    cost_to: float | None
    fixed_cost: float | None
    """The part of the cost that the rate does not change."""
    cost_per_inverse_rate: float | None
    """cost = fixed_cost + cost_per_inverse_rate / rate_bps"""
    late_below_bps: float | None
    """The least rate at which this row's cut keeps the deadline, for a device that stays with it.
    """
    pinned: Literal[True] | None = absent()
    """This row holds the planned rate and names the plan's cut, though another would be cheaper for
    this device.
    """


class RateTable(Body):
    """A decision table as a device stores it."""

    schema_version: Literal[1]
    rows: list[RateRow]


class MeanLatency(Body):
    """Mean delay of one inference and its parts."""

    mean_s: float
    device_s: float
    uplink_s: float
    network_s: float
    server_s: float


class MultiUserResult(Body):
    """What one device should do, and what it gets."""

    id: str
    cut: Count
    cut_name: str
    bits: Count
    """Per element of what crosses; 32 where the model does not count its elements."""
    frequency_hz: float
    bandwidth_hz: float
    bandwidth_share: Fraction
    rate_bps: float
    server_share: Fraction
    server_flop_per_s: float
    """server_share × the server's capacity."""
    latency: MeanLatency
    loss: float
    cost: float
    """This user's part of the objective."""
    deadline_s: float | None
    slack_s: float | None
    table: RateTable
    """The best cut at every rate, at this share of the server; at the planned rate the plan's (see
    `pinned`).

    Deadlines are a billionth longer, for rounding.
    """


class MultiUserObjective(Body):
    """What was minimised, and what it is made of."""

    cost: float
    """Sum of weight × (latency_per_s × latency + loss × accuracy lost)."""
    latency_s: float
    """Mean over the users, weighted."""
    loss: float
    """Mean over the users, weighted."""


class MultiUserCertificate(Body):
    """The proof: a lower bound on every possible plan, and an independent check of this one."""

    status: Literal["optimal", "feasible"]
    """`optimal`: no plan is better by more than the relative gap asked for."""
    lower_bound: float | None
    """null for every method but `exact`."""
    gap: float | None
    holds: bool
    """Every constraint was recomputed from request and decision by code with formulas of its own.
    """
    bandwidth_price: float | None
    """What one more hertz would take off the objective at the chosen cuts; null for equal_share."""
    server_price: float | None
    """What one more FLOP/s would take off the objective at the chosen cuts; null for equal_share.
    """


class Utilisation(Body):
    """How much of both budgets is given out."""

    bandwidth_hz: float
    bandwidth_share: Fraction
    server_flop_per_s: float
    server_share: Fraction


class MultiUserBaseline(Body):
    """What a simpler rule would make of the same cell: null where it cannot serve everyone at
    all.
    """

    cost: float | None
    latency_s: float | None
    loss: float | None
    feasible: bool
    """Whether it keeps every deadline and loss limit; if not, its numbers are those without limits.
    """


class MultiUserBaselines(Body):
    """The baselines, on the same cell."""

    alternating: MultiUserBaseline
    equal_share: MultiUserBaseline
    device_only: MultiUserBaseline
    edge_only: MultiUserBaseline
    latency_only: MultiUserBaseline
    greedy: MultiUserBaseline


class MultiUserSteadiness(Body):
    """What holding on to the parent costs, against the best plan of the same request that is free
    to change all.
    """

    switches: Count
    """Users who leave the cut and bits of the parent, as far as their device still has them."""
    free_switches: Count | None
    """Those who leave them in the free plan; null where time ran out before there was one."""
    cost: float | None
    """By how much the objective is above that of the free plan."""
    cost_at_most: float | None
    """By how much it is above what no plan at all can undercut."""


class MultiUserPlanResult(Body):
    """A plan that was checked."""

    objective: MultiUserObjective
    users: list[MultiUserResult] | None = absent()
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    cut_counts: dict[str, Count]
    """Users per cut, `model/cut name`."""
    certificate: MultiUserCertificate
    utilisation: Utilisation
    baselines: MultiUserBaselines
    steadiness: MultiUserSteadiness | None = absent()
    """With `max_switches` of a re-plan."""


class UnservableUser(Body):
    """A user who fails even with the whole uplink and the whole server."""

    id: str
    least_deadline_s: float
    """Rounded up by a millionth, so that it can be asked for."""


class AtLeast(Body):
    """Proven: with less of this one, nothing else changed, there is no plan; null where no amount
    is enough.
    """

    bandwidth_hz: float | None
    server_flop_per_s: float | None
    budget_factor: float | None
    switches: Count | None = absent()
    """Of a re-plan with `max_switches`."""


class MultiUserInfeasible(Body):
    """Why there is no plan, and what would mend the whole cell, everything else as it is.

    A remedy that is null while its `proven_at_least` is a number was not found. Where both are null
    no amount helps if the plan's method is `exact` (proven); other rules are not asked for
    remedies.
    """

    proven: bool
    """Whether it is certain that no plan exists: rules other than `exact` never prove that of a
    whole cell, nor does running late."""
    users: list[UnservableUser] | None = absent()
    """Who fails even alone; where none is listed, the budgets are short together or too many must
    switch.
    """
    users_url: str | None = absent()
    least_total_bandwidth_hz: float | None
    """An uplink that suffices with this server, rounded up by a millionth like all amounts here."""
    least_server_flop_per_s: float | None
    """A capacity that suffices with this uplink, if all times on the server shrink with it, also
    those of a timing.
    """
    least_budget_factor: float | None
    """A common factor on both that suffices."""
    proven_at_least: AtLeast
    least_switches: Count | None = absent()
    """With `max_switches` of a re-plan: a limit that suffices for the whole cell; null where no
    number does.
    """


class MultiUserPlan(PlanBase):
    """A plan of the multi-user family."""

    kind: Literal["multi-user"]
    options: MultiUserOptions
    """As they took effect."""
    result: MultiUserPlanResult | None
    infeasible: MultiUserInfeasible | None = absent()


class AdaptiveResult(Body):
    """What one device carries."""

    id: str
    frequency_hz: float
    hysteresis: float
    least_rate_bps: float | None
    """From this rate on something keeps the limits; null: nothing does at any rate."""
    table: RateTable


class AdaptiveCertificate(Body):
    """Every table was compared with every allowed option at both ends of every row: between them
    costs are straight.
    """

    status: Literal["optimal"]
    holds: bool
    excess: float
    """The largest relative excess over the best option that was seen: rounding."""


class AdaptivePlanResult(Body):
    """Tables that were checked."""

    users: list[AdaptiveResult] | None = absent()
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    certificate: AdaptiveCertificate
    unserved: Count
    """Users for whom nothing keeps the limits at any rate."""


class AdaptivePlan(PlanBase):
    """Decision tables."""

    kind: Literal["adaptive"]
    options: AdaptiveOptions
    """As they took effect."""
    result: AdaptivePlanResult | None
