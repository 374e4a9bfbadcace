"""The stopping family as JSON."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.plans.schemas import CHANNEL, DEVICE, MODEL, SERVER, USER, GainDb, Request, UserId
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

Energy = Literal["waiting", "marginal", "whole"]


class StoppingUser(Body):
    """A device that runs layer after layer and hands over to the edge when the channel is good."""

    id: Annotated[UserId, USER]
    device: Annotated[DeviceRef, DEVICE]
    model: Annotated[ModelRef, MODEL]
    device_timing: TimingRef | None = absent()
    """Default: the stored timing of this device with this model."""
    server_timing: TimingRef | None = absent()
    """Default: the stored timing of the server with this model, else remaining flop over the
    server's capacity.
    """
    mean_snr_db: Annotated[Decibel, Field(ge=-200.0, le=200.0)] | None = absent()
    """Mean signal-to-noise ratio over the whole bandwidth [dB]; of log-normal shadowing the
    mean in decibels. One of mean_snr_db, gain_db, distance_m is required, except on a channel
    given in rates."""
    gain_db: GainDb | None = absent()
    """Mean channel power gain [dB]."""
    distance_m: Positive | None = absent()
    """Distance to the base station [m]; needs the channel's path_loss."""
    frequency_hz: Positive | None = absent()
    """The device's clock [Hz]; default: its highest."""


class StoppingWeights(Body):
    """What a second and a joule cost; at least one of them something."""

    time_per_s: Weight
    """What a second of an inference costs [cost/s]."""
    energy_per_j: Weight
    """What a joule of the device costs [cost/J]."""


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
    energy: Energy = "waiting"
    """What of a device's idle power counts: `waiting`, that of waiting for the channel and the
    edge; `marginal`, none of it (a device that is on anyway); `whole`, that of the whole response
    (one that sleeps in between)."""
    clairvoyant: bool | None = absent()
    """Whether to compute the clairvoyant bound, the dearest baseline; default: for up to 1,000
    users.
    """
    time_limit_s: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0.0, le=3600.0)] = (
        60.0
    )
    """Time that solving may take [s]. Users not begun by then follow one-stage look-ahead, and
    the plan is `timed_out`."""
    strict: bool | None = absent()
    """Refuse timings that were made with another file of the model than its `source_sha256`;
    otherwise they are warned of."""


class StoppingRequest(Request):
    """Plan for each device which layers to place on it, and the table by which it decides when to
    offload.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    channel: Annotated[ChannelRef, CHANNEL]
    bandwidth_hz: Positive | None = absent()
    """Uplink of each user [Hz]; default: the channel's."""
    downlink_bps: Positive | None = absent()
    """Rate over which the layers are placed [bit/s]; default: the channel's."""
    server: Annotated[ServerRef, SERVER]
    users: Annotated[tuple[StoppingUser, ...], Field(min_length=1)]
    """Everybody to plan for, each with an id of its own and independent of the others."""
    weights: StoppingWeights
    """What a second and a joule cost, the same for all."""
    inferences_per_update: NonNegative
    """Inferences served until the model is placed anew; above 0."""
    options: StoppingOptions = StoppingOptions()
    """How to plan; what is left out has its default."""

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
