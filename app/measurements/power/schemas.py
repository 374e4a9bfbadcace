"""Measured power as JSON: what is sent, and what is answered."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.measurements.power.sheet import IDLE, MOST_SAMPLES
from app.measurements.schemas.files import Clock, FreeText, Seconds
from app.profiles.schemas.device import DevicePowerIntervals, Span
from app.quantities import Body, Count, Name, NonNegative, Number, PositiveCount, Text, absent

_LARGEST = 1e12
Product = Literal["law", "levels"]
Measures = Annotated[
    tuple[Annotated[NonNegative, Field(le=_LARGEST)], ...],
    Field(min_length=1, max_length=MOST_SAMPLES),
]

EXAMPLE: dict[str, Any] = {
    "schema_version": 1,
    "sessions": [
        {
            "started_at": "2026-11-20T09:00:00Z",
            "samples": [
                {"workload": IDLE, "power_w": [2.31, 2.29]},
                {
                    "workload": "alexnet",
                    "frequency_hz": 6.0e8,
                    "time_s": [0.21, 0.212],
                    "energy_j": [0.61, 0.62],
                },
                {
                    "workload": "alexnet",
                    "frequency_hz": 1.2e9,
                    "time_s": [0.11, 0.109],
                    "energy_j": [0.37, 0.36],
                },
            ],
        }
    ],
}


class _Sheet(Body):
    """A body that is checked as a whole."""

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self.faults()):
            raise PydanticCustomError(
                "semantics", "the content does not hold together", {"faults": faults}
            )
        return self

    def faults(self) -> Iterator[FieldError]:
        """What contradicts itself, each fault with its pointer into this body."""
        yield from ()


class PowerSampleSet(_Sheet):
    """Energies or powers of one workload at one clock, in the order in which they were measured."""

    workload: Text = "busy"
    """What ran: times of different workloads are not compared. `idle`: nothing did, and `power_w`
    is what the device draws then."""
    frequency_hz: Clock | None = absent()
    """Required, except where nothing ran."""
    time_s: Seconds | None = absent()
    """Computing, of one inference."""
    energy_j: Measures | None = absent()
    """Of one inference, waiting included; needs `time_s`."""
    power_w: Measures | None = absent()
    """While computing; instead of `energy_j`."""
    wait_s: Seconds | None = absent()
    """Of the time that an `energy_j` is of, what was spent waiting beside `time_s`."""
    idle_w: NonNegative | None = absent()
    """To be taken off these; otherwise what the idle samples, `idle_power_w` or the device say."""

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.energy_j or self.power_w or ())

    def faults(self) -> Iterator[FieldError]:
        if (self.energy_j is None) == (self.power_w is None):
            yield FieldError("", "give one of energy_j and power_w")
            return
        for field in ("time_s", "wait_s"):
            given = getattr(self, field)
            if given is not None and len(given) != self.count:
                yield FieldError(
                    f"/{field}", f"must have one entry per sample ({self.count}), not {len(given)}"
                )
        for n, time in enumerate(self.time_s or ()):
            if time <= 0.0:
                yield FieldError(f"/time_s/{n}", "nothing is computed in no time: was it rounded?")
                break
        if self.workload == IDLE:
            if self.energy_j is not None:
                yield FieldError("/energy_j", "where nothing runs there is a power: give power_w")
            return
        if self.frequency_hz is None:
            yield FieldError("/frequency_hz", "is required: the clock at which it ran")
        if self.energy_j is not None and self.time_s is None:
            yield FieldError("/time_s", "is required: an energy is of an inference that took time")
        if self.wait_s is not None and self.energy_j is None:
            yield FieldError("/wait_s", "belongs to energy_j: power_w is that of computing alone")


class PowerSession(Body):
    """One stretch of measuring, whose errors may be alike."""

    started_at: AwareDatetime | None = absent()
    samples: Annotated[tuple[PowerSampleSet, ...], Field(min_length=1, max_length=100_000)]


class PowerFile(_Sheet):
    """Measured energies or powers of one device at several clocks."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    schema_version: Literal[1] = 1
    above_idle: bool = False
    """Whether idle power was taken off already."""
    idle_power_w: NonNegative | None = absent()
    """Of the whole device, doing nothing, where no samples say it; the next revision has it."""
    part_of_device: bool = False
    """Whether the meter saw a part of the device only: its idle power is then not the device's."""
    product: Product = "law"
    """What the next revision gets: a law over the clock, or `level_power_w` beside it."""
    leave_out_suspicious: bool = False
    """Whether samples are left out whose time says that another clock ran."""
    runtime: Annotated[dict[Text, FreeText | bool | Number | None], Field(max_length=50)] | None = (
        absent()
    )
    """What ran, and the meter, in free words."""
    sessions: Annotated[tuple[PowerSession, ...], Field(min_length=1, max_length=1000)]

    def faults(self) -> Iterator[FieldError]:
        total = sum(one.count for session in self.sessions for one in session.samples)
        if total > MOST_SAMPLES:
            yield FieldError(
                "/sessions", f"{total} samples are more than the {MOST_SAMPLES} of one measurement"
            )


class PowerNote(Body):
    """What a look at the samples and their fit found."""

    check: str
    """`clock`, `clocks`, `samples`, `power`, `fit`, `outliers`, `stray`, `intervals`, `idle`,
    `range`, `unknown` or `age`."""
    severity: Literal["note", "warning"]
    """A `warning` makes the device's power doubtful: plans that use it say so."""
    detail: str
    frequency_hz: float | None


class PowerLawFit(Body):
    """Energy of an inference above idle: (static_power_w + power_coefficient f^power_exponent) t
    + energy_per_inference_j + waiting_power_w w, over clock f, time t and waiting w.
    """

    static_power_w: float
    power_coefficient: float
    power_exponent: float
    energy_per_inference_j: float
    waiting_power_w: float | None
    """Null where no sample waited; no profile has it."""


class PowerLawErrors(Body):
    """Of a law against what was measured, relative to the latter."""

    median: float
    p90: float
    largest: float


class PowerCubeFit(Body):
    """The κ f³ that suits the same samples best."""

    power_coefficient_w_per_hz3: float
    errors: PowerLawErrors


class PowerMeasuredClock(Body):
    """Power while computing at one clock, start-up and waiting taken off."""

    frequency_hz: float
    samples: PositiveCount
    power_w: float
    interval_w: Span
    median_error: float | None
    """Of the law, signed; null where there is none."""
    largest_error: float | None


class PowerSuspiciousStretch(Body):
    """Samples whose time is more than a tenth off the time that the other clocks let expect."""

    workload: str
    run: str
    frequency_hz: float
    samples: PositiveCount
    time_s: float
    expected_s: float
    likely_hz: float | None
    """The clock at which it would take that long."""


class PowerSummary(Body):
    """Measured power that made a revision of a device, in a list."""

    number: PositiveCount
    device: Name
    revision: PositiveCount
    """The revision that came of it."""
    created_at: AwareDatetime
    measured_at: AwareDatetime
    """When the latest session began; when the samples were received, where nobody said."""
    samples: PositiveCount
    runs: PositiveCount
    clocks: PositiveCount
    product: Product
    runtime: dict[str, Any] | None
    doubts: list[str]
    """The checks with warnings."""
    samples_url: str


class PowerMeasurement(PowerSummary):
    """Measured power: the law fitted to it, how far that can be believed, and what was found."""

    law: PowerLawFit | None
    """Null where the clocks are too few for one."""
    intervals: DevicePowerIntervals | None
    waiting_power_interval_w: Span | None
    errors: PowerLawErrors | None
    cube: PowerCubeFit
    levels: list[PowerMeasuredClock]
    suspicious: list[PowerSuspiciousStretch]
    left_out: Count
    idle_power_w: float | None
    """What the device draws doing nothing, as the samples or the body say."""
    dropped: Count
    """Lines of a log in which the device was not busy enough."""
    quality: list[PowerNote]
    """Warnings first."""


class PowerMeasurementPage(Body):
    """One page of a device's power measurements, oldest first."""

    items: list[PowerSummary]
    next_cursor: str | None
