"""What the multi-user family is asked, as JSON: joint plans and decision tables alone."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.plans.schemas import CHANNEL, DEVICE, MODEL, SERVER, USER, Request, UserId
from app.profiles.schemas.references import ChannelRef, DeviceRef, ModelRef, ServerRef, TimingRef
from app.quantities import Body, Decibel, Fraction, NonNegative, Positive, absent

Method = Literal[
    "exact", "alternating", "equal_share", "device_only", "edge_only", "latency_only", "greedy"
]

# Far beyond anything meant, and narrow enough that squares of products stay numbers.
Weight = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-9, le=1e9)]
LossWeight = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.0, le=1e9)]
Deadline = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-9, le=1e9)]
LEAST_EFFICIENCY = 1e-20
Efficiency = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=LEAST_EFFICIENCY, le=1e3)]

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


class MultiUserWeights(Body):
    """What counts: cost = latency_per_s × latency + loss × accuracy lost."""

    latency_per_s: Weight
    """What a second of latency costs [cost/s]."""
    loss: LossWeight
    """What losing all accuracy costs; an accuracy loss of 0.01 costs a hundredth of it."""


class AdaptiveUser(Body):
    """A device that runs one network."""

    id: Annotated[UserId, USER]
    device: Annotated[DeviceRef, DEVICE]
    model: Annotated[ModelRef, MODEL]
    device_timing: TimingRef | None = absent()
    """Default: the stored timing of this device with this model."""
    server_timing: TimingRef | None = absent()
    """Default: the stored timing of the server with this model, else remaining flop over the
    server's capacity.
    """
    deadline_s: Deadline | None = absent()
    """Largest mean latency [s]; default: none."""
    max_loss: Fraction | None = absent()
    """Largest loss of accuracy, 0 to 1; default: no limit."""
    frequency_hz: Positive | None = absent()
    """The device's clock [Hz]; default: the highest it offers."""


class MultiUserUser(AdaptiveUser):
    """A device that runs one network over a shared uplink."""

    spectral_efficiency_bps_per_hz: Efficiency | None = absent()
    """What one hertz carries [bit/s/Hz]; one of spectral_efficiency_bps_per_hz, snr_db,
    distance_m is required."""
    snr_db: Annotated[Decibel, Field(ge=-200.0, le=200.0)] | None = absent()
    """Mean signal-to-noise ratio [dB]; the efficiency follows from it by the channel's rate law."""
    distance_m: Positive | None = absent()
    """Distance to the base station [m]: SNR at the device's transmit power, spread over the
    channel's own bandwidth."""
    weight: Weight = 1.0
    """How much this user counts."""
    value: NonNegative | None = absent()
    """What serving this user is worth, in any unit, beside the others; default 1. Looked at with
    `options.admission`, and where repairs leave users out."""


class MultiUserOptions(Body):
    """How to plan."""

    method: Method = "exact"
    """`exact` proves a lower bound; the other rules are there to compare with and prove nothing."""
    gap: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-9, le=1.0)] = 1e-6
    """Relative distance to the lower bound at which a plan counts as optimal."""
    time_limit_s: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0.0, le=3600.0)] = (
        60.0
    )
    """Time that solving may take [s]; simpler rules have what is left of it. With `exact` the
    best plan found by then is taken."""
    admission: Literal["most_valuable"] | None = absent()
    """Whom to plan for where not everybody fits. `most_valuable`: those who are worth most
    together (`value` of the users), then least cost among them; `result.admission` says who is left
    out, and why. Default: everybody, or there is no plan. With `exact` only."""
    strict: bool | None = absent()
    """Refuse timings that were made with another file of the model than its `source_sha256`;
    otherwise they are warned of."""


class AdaptiveOptions(Body):
    """How devices should use their tables."""

    hysteresis: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.0, lt=1.0)] = 0.0
    """A device leaves its cut only for one that costs less than (1 - hysteresis) of it, or when it
    is late.
    """
    strict: bool | None = absent()
    """Refuse timings that were made with another file of the model than its `source_sha256`;
    otherwise they are warned of."""


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

    channel: Annotated[ChannelRef, CHANNEL]
    bandwidth_hz: Positive | None = absent()
    """Uplink to share [Hz]; default: the channel's."""
    server: Annotated[ServerRef, SERVER]
    users: Annotated[tuple[MultiUserUser, ...], Field(min_length=1)]
    """Everybody to plan for, each with an id of its own."""
    weights: MultiUserWeights
    """What a second of latency and lost accuracy cost, the same for all."""
    options: MultiUserOptions = MultiUserOptions()
    """How to plan; what is left out has its default."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _hold_together(self._faults())
        return self

    def _faults(self) -> Iterator[FieldError]:
        yield from _unequal_ids(self.users)
        if self.options.admission is not None and self.options.method != "exact":
            detail = (
                f"the rule {self.options.method} proves nothing of whom it could serve: plan exact"
            )
            yield FieldError("/options/admission", detail)
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
    server: Annotated[ServerRef, SERVER]
    users: Annotated[tuple[AdaptiveUser, ...], Field(min_length=1)]
    """Everybody who gets a table, each with an id of its own."""
    weights: MultiUserWeights
    """What a second of latency and lost accuracy cost, the same for all."""
    options: AdaptiveOptions = AdaptiveOptions()
    """How devices should use their tables; what is left out has its default."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _hold_together(_unequal_ids(self.users))
        return self
