"""What is answered: findings, fits, and how observations stand against their plan."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from app.measurements.schemas.files import Part
from app.plans.carried import UserOfPlan
from app.plans.schemas import PlanId
from app.profiles.schemas.profile import ProcessorKind
from app.quantities import (
    Body,
    Count,
    Name,
    NextCursor,
    PositiveCount,
)

# What several schemas say in the same words.
SamplesCount = Annotated[PositiveCount, Field(description="How many samples were measured.")]
MeanTime = Annotated[float, Field(description="Mean of the measured times, in s.")]
TimeVariance = Annotated[float, Field(description="Variance of the measured times, in s².")]
WorstTime = Annotated[float, Field(description="The largest measured time, in s.")]
Number = Annotated[
    PositiveCount, Field(description="Counts the timing's measurements of both kinds from 1.")
]
TimingName = Annotated[Name, Field(description="The timing that it is of, by its name.")]
ReceivedAt = Annotated[AwareDatetime, Field(description="When the service received the samples.")]
SamplesUrl = Annotated[str, Field(description="Address of the samples, one row each.")]


class MeasurementFinding(Body):
    """What a look at the samples found."""

    cut: Count | None
    """Position of the cut that it is about, from 0; null: of all cuts."""
    part: Part | None
    """The part of the network that it is about; null: of both."""
    check: str
    """`samples`, `clocks`, `clock`, `drift`, `sessions`, `modes`, `outliers`, `interruptions`,
    `fit`, `units`, `model`, `kept` or `age`."""
    severity: Literal["note", "warning"]
    """A `warning` makes the timing doubtful: plans that use it say so."""
    detail: str
    """What was found, with its figures, in a sentence."""


class ClockFit(Body):
    """time = cycles / clock + overhead_s, by weighted non-negative least squares, with 95 %
    intervals.
    """

    clocks: PositiveCount
    """At how many clocks there were enough samples to fit."""
    cycles: float
    """Device cycles up to the cut: what of the time falls as 1/clock, times the clock."""
    cycles_error: float
    """Standard error of `cycles`."""
    cycles_interval: tuple[float, float]
    """95 % interval of `cycles`."""
    flop_per_cycle: float | None
    """Null where the part computes nothing, or its time does not fall with the clock."""
    flop_per_cycle_interval: tuple[float, float | None] | None
    """Null as upper end: unbounded."""
    overhead_s: float
    """Time that no clock changes [s]."""
    overhead_error_s: float
    """Standard error of `overhead_s` [s]."""
    overhead_interval_s: tuple[float, float]
    """95 % interval of `overhead_s` [s]."""
    misfit: float
    """Largest distance of the mean at a clock from the fit, relative to that mean."""
    misfit_p_value: float | None
    """Of means that stray so far from a true law of this form; null where nothing varies."""


class PairCorrelation(Body):
    """Of the two parts of the same inferences, with its 95 % interval."""

    pairs: PositiveCount
    """Inferences of which both parts were measured."""
    correlation: float
    """Correlation of the two times, from -1 to 1."""
    interval: tuple[float, float]
    """95 % interval of the correlation."""


class MeasuredLevel(Body):
    """Times of a part at one clock."""

    frequency_hz: float | None
    """The clock [Hz]; null where it was not known."""
    samples: SamplesCount
    mean_s: MeanTime
    variance_s2: TimeVariance
    worst_s: WorstTime


class MeasuredCut(Body):
    """Times of one part of the network at one cut."""

    cut: Count
    """Position of the cut in the model's list, from 0."""
    part: Part
    """`device`: the layers up to the cut; `server`: those after it, wherever they ran."""
    samples: SamplesCount
    mean_s: MeanTime
    variance_s2: TimeVariance
    worst_s: WorstTime
    levels: list[MeasuredLevel]
    """Clocks with at least ten samples."""
    fit: ClockFit | None
    """The law over the clocks; null of a server's timing, and where the clocks are too few for
    one."""
    correlation: PairCorrelation | None
    """How the two parts of the same inferences vary together; null where too few were measured
    as pairs."""


class MeasurementSummary(Body):
    """Samples that made a revision, in a list."""

    kind: Literal["samples"]
    """`samples`: measured times that made a revision of the timing."""
    number: Number
    timing: TimingName
    revision: PositiveCount
    """The revision that came of them."""
    created_at: ReceivedAt
    processor: Name
    """The device or server that was measured, by its name."""
    processor_kind: ProcessorKind
    """Whether that is a device or a server."""
    model: Name
    """The network that ran, by its name."""
    model_sha256: str | None
    """Digest of the file that was run; null where nobody said."""
    runtime: dict[str, Any] | None
    """What ran the network, as the file says it; null where it does not."""
    sessions: PositiveCount
    """In how many stretches it was measured."""
    samples: SamplesCount
    measured_at: AwareDatetime
    """When the latest session began; when they were received, where nobody said."""
    doubts: list[str]
    """The checks with warnings."""
    samples_url: SamplesUrl


class Measurement(MeasurementSummary):
    """Samples that made a revision: what was found in them, and what was computed from them."""

    age_s: float
    """Time since the samples were measured, at the time of the answer [s]."""
    quality: list[MeasurementFinding]
    """The first 1,000, warnings first."""
    cuts: list[MeasuredCut]
    """What was computed from the samples, by cut and part."""


class ObservationTest(Body):
    """Times of one user held against what its plan expects."""

    user: UserOfPlan
    part: Literal["total", "device", "server"]
    """What the times are of: whole inferences (`total`), or the part of one side."""
    cut: Count
    """Position of the cut that the plan gives the user, from 0."""
    samples: SamplesCount
    mean_s: float
    """Mean of the times seen [s]."""
    planned_mean_s: float
    """Mean that the plan expects [s]."""
    planned_std_s: float
    """Standard deviation that the plan expects [s]."""
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
    """`observations`: times seen under a plan, held against a revision of the timing."""
    number: Number
    timing: TimingName
    revision: PositiveCount
    """The revision that the plan used."""
    created_at: ReceivedAt
    plan: PlanId
    """The plan that the users carried out."""
    users: PositiveCount
    """How many users have times in it."""
    samples: SamplesCount
    stale: bool
    """Whether the revision is refuted, by these or by earlier observations."""
    samples_url: SamplesUrl


class ObservationReport(ObservationSummary):
    """Observations: how they fit what was planned, and which plans rest on the same revision."""

    look: PositiveCount
    """Counts the times that this revision was looked at; later looks ask for more."""
    tests: list[ObservationTest]
    """The first 1,000, refuting ones first."""
    plans: list[PlanId]
    """The newest 1,000 plans that rest on the revision."""
    plans_count: Count
    """How many plans rest on the revision in all."""


AnySummary = Annotated[MeasurementSummary | ObservationSummary, Field(discriminator="kind")]
AnyMeasurement = Annotated[Measurement | ObservationReport, Field(discriminator="kind")]


class MeasurementPage(Body):
    """One page of a timing's measurements, oldest first."""

    items: list[AnySummary]
    """The measurements of this page, oldest first."""
    next_cursor: NextCursor
