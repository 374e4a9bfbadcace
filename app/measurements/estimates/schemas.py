"""What a number or two say of a processor: requests for estimates."""

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from app.errors import FieldError
from app.profiles.schemas.device import Device, DeviceRadio
from app.profiles.schemas.profile import FieldWarning, ProcessorKind, faulty
from app.profiles.schemas.timing import Timing
from app.quantities import Body, Name, NonNegative, Positive, PositiveCount, Text, absent

SAME_CLOCK = 1e-6
# Longer than any inference, and short enough that its square is a number.
Seconds = Annotated[Positive, Field(ge=1e-9, le=1e6)]


class WholeTime(Body):
    """How long the whole network takes at a clock."""

    time_s: Seconds
    """Mean time of one inference of the whole network [s]."""
    frequency_hz: Positive
    """The clock at which it takes that long [Hz]."""


class TimingEstimate(Body):
    """A processor, a network, and what the whole of it takes: one time, or several at several
    clocks.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "my-board.resnet50",
                    "processor": "my-board",
                    "model": "resnet50",
                    "time_s": 0.31,
                    "frequency_hz": 1.8e9,
                    "std_s": 0.004,
                }
            ]
        }
    )

    name: Name
    """Of the timing that is made."""
    processor: Name
    """A stored device or server."""
    processor_kind: ProcessorKind | None = absent()
    """Required where both a device and a server have that name."""
    model: Name
    """A stored model."""
    time_s: Seconds | None = absent()
    """Mean time of one inference of the whole network [s]; this, or `points`."""
    frequency_hz: Positive | None = absent()
    """The device's clock meanwhile [Hz]; a server has none."""
    points: Annotated[tuple[WholeTime, ...], Field(min_length=1, max_length=1000)] | None = absent()
    """Of a device, at several clocks."""
    std_s: Annotated[NonNegative, Field(le=1e6)] | None = absent()
    """Standard deviation of the whole time [s]; without it, the largest relative one of the
    shipped timings is assumed."""
    worst_s: Seconds | None = absent()
    """The slowest inference of the whole network, at the lowest of the clocks [s]."""
    clock_law: Literal["given_clocks", "cycles"] | None = absent()
    """What holds at other clocks than one that was given alone: nothing (`given_clocks`, the
    default), or that the number of cycles stays the same (`cycles`): true where memory keeps up,
    too slow below the clock and too fast above where it does not."""
    runtime: Text | None = absent()
    """What runs the network. Of `onnxruntime`, `tensorflow` (eager) and `tensorflow-lite` the atlas
    has shapes, and times are shared out by the runtime's own; otherwise each has the same say."""
    share_by: Literal["measured_shape", "operator_mix", "flop"] | None = absent()
    """Default: the best of these that is known for the network."""

    @property
    def times(self) -> tuple[WholeTime, ...]:
        """The points of a device, by clock."""
        if self.points is not None:
            return tuple(sorted(self.points, key=lambda point: point.frequency_hz))
        assert self.time_s is not None
        assert self.frequency_hz is not None
        return (WholeTime(time_s=self.time_s, frequency_hz=self.frequency_hz),)

    @property
    def longest_s(self) -> float:
        """The longest time that was given."""
        given = [point.time_s for point in self.points or ()]
        return max([*given, *([self.time_s] if self.time_s is not None else [])])

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self._faults()):
            raise faulty(*faults)
        return self

    def _faults(self) -> Iterator[FieldError]:
        if (self.time_s is None) == (self.points is None):
            yield FieldError("/time_s", "give time_s (with frequency_hz), or points")
            return
        if self.points is not None and self.frequency_hz is not None:
            yield FieldError("/frequency_hz", "each of points has its own")
        for (first, a), (second, b) in combinations(enumerate(self.points or ()), 2):
            if abs(a.frequency_hz - b.frequency_hz) <= SAME_CLOCK * a.frequency_hz:
                yield FieldError(
                    f"/points/{second}/frequency_hz", f"is the clock of points/{first} too"
                )
                return
        if self.worst_s is not None and self.worst_s < self.longest_s:
            yield FieldError("/worst_s", f"cannot be below the mean ({self.longest_s:g} s)")
        if self.clock_law is not None and len(self.points or ()) > 1:
            yield FieldError(
                "/clock_law", "is fitted where several clocks were given: leave it out"
            )


class EstimatedTiming(Timing):
    """A timing that would be stored."""

    warnings: tuple[FieldWarning, ...] | None = absent()
    """Allowed, but they smell of a mistake."""


class DeviceEstimate(Body):
    """A device of which two powers are known."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "my-board",
                    "processor": "cpu",
                    "frequency_min_hz": 6.0e8,
                    "frequency_max_hz": 1.8e9,
                    "busy_power_w": 6.4,
                    "idle_power_w": 2.7,
                    "tx_power_w": 0.1,
                }
            ]
        }
    )

    name: Name
    """What the device that is made is called, unique among devices."""
    processor: Literal["cpu", "gpu", "npu"]
    """What computes on it."""
    frequency_max_hz: Positive
    """The highest clock, at which `busy_power_w` was read [Hz]."""
    frequency_min_hz: Positive | None = absent()
    """The lowest clock [Hz]; default: the lowest of `frequency_levels_hz`, or else no other
    clock than the highest, of which nothing has to be assumed."""
    frequency_levels_hz: (
        Annotated[tuple[Positive, ...], Field(min_length=1, max_length=1000)] | None
    ) = absent()
    """The clocks the device really offers, ascending [Hz]."""
    busy_power_w: Positive
    """Power of the whole device, computing the network at the highest clock [W]."""
    idle_power_w: NonNegative
    """Power of the whole device, doing nothing [W]."""
    power_exponent: Annotated[Positive, Field(ge=1.0, le=4.0)] | None = absent()
    """How power above idle falls with the clock; default: the middle of what others measured."""
    tx_power_w: Positive
    """Radiated power [W]."""
    rx_power_w: NonNegative | None = absent()
    """Power while it receives [W]; default 0."""
    radio: DeviceRadio | None = absent()
    """Without it the radio is taken to draw what it radiates, which is several times too little."""
    memory_byte: PositiveCount | None = absent()
    """Memory for parameters [byte]; default: no limit."""

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if self.busy_power_w <= self.idle_power_w:
            raise faulty(
                FieldError(
                    "/busy_power_w",
                    f"must be above idle_power_w ({self.idle_power_w:g} W): both are of the whole"
                    " device",
                )
            )
        return self


class EstimatedDevice(Device):
    """A device that would be stored."""

    warnings: tuple[FieldWarning, ...] | None = absent()
    """Allowed, but they smell of a mistake."""
