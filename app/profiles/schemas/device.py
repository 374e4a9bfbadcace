"""A device: clocks, power and radio."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field

from app.errors import FieldError
from app.profiles.schemas.profile import Profile, ascending
from app.quantities import (
    Body,
    NonNegative,
    Positive,
    PositiveCount,
    Text,
    absent,
)


class DeviceRadio(Body):
    """What sending costs, above idle: watts while it sends, and joules for each bit sent."""

    active_power_w: Positive
    """Power while it sends, above idle [W]."""
    energy_j_per_bit: NonNegative = 0.0
    """Energy for each bit sent, beside that power [J/bit]; default 0."""


Span = tuple[NonNegative, NonNegative | None]
"""A 95 % interval; null as upper end: unbounded."""


class DevicePowerIntervals(Body):
    """How far the numbers of a fitted law can be believed: 95 %."""

    static_power_w: Span
    """Interval of `static_power_w`, 95 % [W]."""
    power_coefficient: Span
    """Of the clocked power at the largest measured clock, as a coefficient for `power_exponent`."""
    power_exponent: Span
    """Interval of `power_exponent`, 95 %."""
    energy_per_inference_j: Span
    """Interval of `energy_per_inference_j`, 95 % [J]."""


class DevicePowerBasis(Body):
    """The samples behind a device's power that the service fitted."""

    measurement: PositiveCount
    """`GET /v1/devices/{name}/power-measurements/{measurement}` has the fit and the raw samples."""
    samples: PositiveCount
    """How many energies or powers were measured."""
    clocks_hz: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=1000)]
    """The clocks at which it was measured, ascending [Hz]."""
    measured_at: datetime
    """When the latest session began; when the samples were received, where nobody said."""
    intervals: DevicePowerIntervals | None = absent()
    """How far the fitted law can be believed; absent where the clocks were too few to tell."""
    median_error: NonNegative | None = absent()
    """Median error of the law, relative to what was measured; absent where there is no law."""
    largest_error: NonNegative | None = absent()
    """Largest error of the law, relative to what was measured; absent where there is no law."""
    doubts: tuple[Text, ...] | None = absent()
    """The checks that found something doubtful."""


class PowerEstimated(Body):
    """Two powers from which the law was made, and what was assumed of other clocks."""

    busy_power_w: Positive
    """Power of the whole device, computing at its highest clock [W]."""
    exponent_low: NonNegative
    """The least exponent of a processor that others measured: see `exponent_high`."""
    exponent_high: Positive
    """Between these lay the exponents of processors that others measured: at clock f the power is
    between those of the highest clock times (f/f_max)^exponent_high and ^exponent_low."""
    processors: PositiveCount
    """How many were measured."""


class PowerLaw(NamedTuple):
    """Power while computing, above idle: `static_w` + `coefficient` f**`exponent`, f in Hz."""

    static_w: float
    coefficient: float
    exponent: float


class Device(Profile):
    """A processor with its clocks, power and radio.

    Power while computing at clock f, above idle, is `static_power_w` + κ f^α: `power_coefficient`
    and `power_exponent`, or `power_coefficient_w_per_hz3` with the exponent 3. Where it was
    measured at each clock, `level_power_w` takes the law's place.
    """

    kind = "device"
    collection = "devices"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "camera-cpu",
                    "processor": "cpu",
                    "frequency_min_hz": 1.2e8,
                    "frequency_max_hz": 1.9e9,
                    "power_coefficient_w_per_hz3": 1.0e-27,
                    "tx_power_w": 0.2,
                    "provenance": "measured",
                }
            ]
        }
    )

    processor: Literal["cpu", "gpu", "npu"]
    """What computes on it."""
    frequency_min_hz: Positive
    """The lowest clock [Hz]."""
    frequency_max_hz: Positive
    """The highest clock [Hz]."""
    frequency_levels_hz: (
        Annotated[tuple[Positive, ...], Field(min_length=1, max_length=1000)] | None
    ) = absent()
    """The clocks the device really offers, ascending [Hz]; without them any clock between min
    and max."""
    power_coefficient_w_per_hz3: Positive | None = absent()
    """κ of κ f³ [W/Hz³]; this, or `power_coefficient`, or `level_power_w` is required."""
    power_coefficient: NonNegative | None = absent()
    """κ of κ f^α [W/Hz^α]."""
    power_exponent: Annotated[Positive, Field(ge=1.0, le=4.0)] | None = absent()
    """α; default 3. Hardware differs: fit it, never assume it."""
    static_power_w: NonNegative | None = absent()
    """Drawn while computing, above idle, whatever the clock [W]; default 0."""
    level_power_w: (
        Annotated[tuple[NonNegative, ...], Field(min_length=1, max_length=1000)] | None
    ) = absent()
    """Measured power while computing, above idle, one per `frequency_levels_hz` [W]."""
    energy_per_inference_j: NonNegative | None = absent()
    """Start-up of one inference that runs anything on the device [J]; default 0."""
    radio: DeviceRadio | None = absent()
    """Without it the radio is taken to draw what it radiates, which is several times too little."""
    tx_power_w: Positive
    """Radiated power [W]: what the signal-to-noise ratio is made of."""
    rx_power_w: NonNegative | None = absent()
    """Power while it receives [W], as when layers are placed on it; default 0."""
    idle_power_w: NonNegative | None = absent()
    """Power of the whole device, doing nothing [W]."""
    memory_byte: PositiveCount | None = absent()
    """Memory for parameters [byte]: cuts whose layers need more are not taken; default: no
    limit."""
    power_measured: DevicePowerBasis | None = absent()
    """Written by `POST /v1/devices/{name}/power-measurements`."""
    power_estimated: PowerEstimated | None = absent()
    """Written by `POST /v1/devices/estimate`."""

    @property
    def power_law(self) -> PowerLaw:
        """Power while computing, where no level's was measured."""
        static = self.static_power_w or 0.0
        if self.power_coefficient_w_per_hz3 is not None:
            return PowerLaw(static, self.power_coefficient_w_per_hz3, 3.0)
        exponent = 3.0 if self.power_exponent is None else self.power_exponent
        return PowerLaw(static, self.power_coefficient or 0.0, exponent)

    def faults(self) -> Iterator[FieldError]:
        yield from super().faults()
        yield from self._faults_of_power()
        if self.frequency_max_hz < self.frequency_min_hz:
            yield FieldError(
                "/frequency_max_hz",
                f"must be at least frequency_min_hz ({self.frequency_min_hz:g} Hz)",
            )
            return
        levels = self.frequency_levels_hz or ()
        yield from ascending(levels, "/frequency_levels_hz")
        for position, level in enumerate(levels):
            if not self.frequency_min_hz <= level <= self.frequency_max_hz:
                yield FieldError(
                    f"/frequency_levels_hz/{position}",
                    f"must lie between frequency_min_hz and frequency_max_hz "
                    f"({self.frequency_min_hz:g} to {self.frequency_max_hz:g} Hz)",
                )

    def _faults_of_power(self) -> Iterator[FieldError]:
        """No power at all, or two laws for it."""
        if self.power_coefficient_w_per_hz3 is not None:
            for name in ("power_coefficient", "power_exponent"):
                if getattr(self, name) is not None:
                    yield FieldError(
                        f"/{name}",
                        "power_coefficient_w_per_hz3 is a law with the exponent 3 already: give one"
                        " of the two",
                    )
        elif self.power_coefficient is None and self.level_power_w is None:
            yield FieldError(
                "/power_coefficient_w_per_hz3",
                "say what computing draws: power_coefficient_w_per_hz3, power_coefficient with"
                " power_exponent, or level_power_w",
            )
        elif self.power_exponent is not None and self.power_coefficient is None:
            yield FieldError("/power_exponent", "belongs to power_coefficient")
        if self.level_power_w is not None:
            levels = self.frequency_levels_hz or ()
            if len(self.level_power_w) != len(levels):
                yield FieldError(
                    "/level_power_w",
                    f"one for each of frequency_levels_hz: {len(levels)}, not"
                    f" {len(self.level_power_w)}",
                )
