"""What is answered: findings, fits, and how observations stand against their plan."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from app.measurements.schemas.files import Part
from app.plans.schemas import PlanId
from app.profiles.schemas.profile import ProcessorKind
from app.quantities import (
    Body,
    Count,
    Name,
    PositiveCount,
)


class MeasurementFinding(Body):
    """What a look at the samples found."""

    cut: Count | None
    part: Part | None
    check: str
    """`samples`, `clocks`, `clock`, `drift`, `sessions`, `modes`, `outliers`, `interruptions`,
    `fit`, `units`, `model`, `kept` or `age`."""
    severity: Literal["note", "warning"]
    """A `warning` makes the timing doubtful: plans that use it say so."""
    detail: str


class ClockFit(Body):
    """time = cycles / clock + overhead_s, by weighted non-negative least squares, with 95 %
    intervals.
    """

    clocks: PositiveCount
    cycles: float
    cycles_error: float
    cycles_interval: tuple[float, float]
    flop_per_cycle: float | None
    """Null where the part computes nothing, or its time does not fall with the clock."""
    flop_per_cycle_interval: tuple[float, float | None] | None
    """Null as upper end: unbounded."""
    overhead_s: float
    overhead_error_s: float
    overhead_interval_s: tuple[float, float]
    misfit: float
    """Largest distance of the mean at a clock from the fit, relative to that mean."""
    misfit_p_value: float | None
    """Of means that stray so far from a true law of this form; null where nothing varies."""


class PairCorrelation(Body):
    """Of the two parts of the same inferences, with its 95 % interval."""

    pairs: PositiveCount
    correlation: float
    interval: tuple[float, float]


class MeasuredLevel(Body):
    """Times of a part at one clock."""

    frequency_hz: float | None
    samples: PositiveCount
    mean_s: float
    variance_s2: float
    worst_s: float


class MeasuredCut(Body):
    """Times of one part of the network at one cut."""

    cut: Count
    part: Part
    samples: PositiveCount
    mean_s: float
    variance_s2: float
    worst_s: float
    levels: list[MeasuredLevel]
    """Clocks with at least ten samples."""
    fit: ClockFit | None
    correlation: PairCorrelation | None


class MeasurementSummary(Body):
    """Samples that made a revision, in a list."""

    kind: Literal["samples"]
    number: PositiveCount
    timing: Name
    revision: PositiveCount
    """The revision that came of them."""
    created_at: AwareDatetime
    processor: Name
    processor_kind: ProcessorKind
    model: Name
    model_sha256: str | None
    runtime: dict[str, Any] | None
    sessions: PositiveCount
    samples: PositiveCount
    measured_at: AwareDatetime
    """When the latest session began; when they were received, where nobody said."""
    doubts: list[str]
    """The checks with warnings."""
    samples_url: str


class Measurement(MeasurementSummary):
    """Samples that made a revision: what was found in them, and what was computed from them."""

    age_s: float
    quality: list[MeasurementFinding]
    """The first 1,000, warnings first."""
    cuts: list[MeasuredCut]


class ObservationTest(Body):
    """Times of one user held against what its plan expects."""

    user: str
    part: Literal["total", "device", "server"]
    cut: Count
    samples: PositiveCount
    mean_s: float
    planned_mean_s: float
    planned_std_s: float
    p_value: float | None
    """Of a mean as far from the planned one; null where there are too few times to judge."""
    misses: Count | None
    """Inferences later than the deadline; null for a part."""
    miss_bound: float | None
    """No distribution with the planned mean and variance is late more often."""
    misses_p_value: float | None
    """Of as many misses at that bound."""
    level: float
    """What this test may spend."""
    verdict: Literal["fits", "moved", "late", "undecided"]
    """`moved`: the mean is refuted and off by more than half a planned standard deviation; `late`:
    there are more misses than any distribution with the planned moments explains."""


class ObservationSummary(Body):
    """Observations that were held against a revision, in a list."""

    kind: Literal["observations"]
    number: PositiveCount
    timing: Name
    revision: PositiveCount
    """The revision that the plan used."""
    created_at: AwareDatetime
    plan: PlanId
    users: PositiveCount
    samples: PositiveCount
    stale: bool
    """Whether the revision is refuted, by these or by earlier observations."""
    samples_url: str


class ObservationReport(ObservationSummary):
    """Observations: how they fit what was planned, and which plans rest on the same revision."""

    look: PositiveCount
    """Counts the times that this revision was looked at; later looks ask for more."""
    tests: list[ObservationTest]
    """The first 1,000, refuting ones first."""
    plans: list[PlanId]
    """The newest 1,000 plans that rest on the revision."""
    plans_count: Count


AnySummary = Annotated[MeasurementSummary | ObservationSummary, Field(discriminator="kind")]
AnyMeasurement = Annotated[Measurement | ObservationReport, Field(discriminator="kind")]


class MeasurementPage(Body):
    """One page of a timing's measurements, oldest first."""

    items: list[AnySummary]
    next_cursor: str | None
