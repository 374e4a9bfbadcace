"""What experiments say, as JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.plans.documents import PlanKind
from app.plans.schemas import FAMILY, PlanId, PlanStatus
from app.quantities import Body, Count, NextCursor, absent

ExperimentStatus = Literal["queued", "running", "finished", "failed", "cancelled"]
Parameters = Mapping[str, float | str]


class ExperimentProgress(Body):
    """How far an experiment has come."""

    fraction: Annotated[float, Field(ge=0.0, le=1.0)]
    """Planned points per point, from 0 to 1; less again where a worker died."""
    points_done: Count
    """How many points are planned."""


class ExperimentFailure(Body):
    """Why points are missing, through no fault of the request."""

    reason: Literal["crashed", "internal"]
    """`crashed`: the planning process died again and again; `internal`: a fault of the service."""
    detail: str
    """The reason in words."""


class ExperimentAxisSummary(Body):
    """An axis as points have it."""

    name: str
    """What points call it."""
    pointer: str | None
    """Where in the base; null where it varies otherwise."""
    values: list[float | str]
    """What points say of it, in the order of the axis: numbers, names, or JSON as a text."""


class ExperimentHead(Body):
    """An experiment in a list."""

    object: Literal["experiment"]
    """What this answer is."""
    id: PlanId
    """Names the experiment in every address of it: 32 hexadecimal digits."""
    kind: Annotated[PlanKind, FAMILY]
    status: ExperimentStatus
    """`queued` and `running` go on; `cancelled` has the points that were kept; of a `failed` one
    some are missing."""
    name: str | None
    """The name that the request gave it."""
    points_count: Count
    """How many points the grid has."""
    created_at: datetime
    """When it was accepted."""
    started_at: datetime | None
    """When its first block was begun; null while it waits."""
    finished_at: datetime | None
    """When the last of its blocks ended; null before."""
    progress: ExperimentProgress
    """How far it has come."""


class ExperimentPoint(Body):
    """One point: what was planned, and what came of it."""

    index: Count
    """Its place in the grid, from 0, along the last axis first."""
    parameters: Parameters
    """Its value of each axis, by name."""
    seed: Count | None = absent()
    """Its seed, where there are any."""
    status: PlanStatus | Literal["invalid"]
    """As a plan of it would end; `invalid`: its values do not go together, see `reason`."""
    objective: float | None
    """What the plan minimises: J, or W of robust streams; a cost in the other families."""
    lower_bound: float | None
    """No plan of this point is below it, as its solver proves [as `objective`]."""
    checked_lower_bound: float | None
    """The bound that the independent check proves itself [as `objective`]; null in families whose
    check has none."""
    gap: float | None
    """(objective - lower_bound)/objective."""
    energy_j: float | None
    """Expected energy of one inference of every user [J]; null where the family knows none."""
    latency_mean_s: float | None
    """Expected time of an inference, mean of the users [s]."""
    latency_max_s: float | None
    """The longest time of any user, with its margin where it has one [s]."""
    slack_min_s: float | None
    """The least that any user has left before its deadline [s]; null without deadlines."""
    violation_max: float | None
    """The largest bound of any user's chance to be late; null without deadlines."""
    loss_mean: float | None
    """Lost accuracy, mean of the users."""
    bandwidth_used_hz: float | None
    """Sum of the shares of the uplink [Hz]; null where nothing is shared."""
    price: float | None
    """What one more hertz would save [objective per Hz]; null with several cells."""
    reason: str | None
    """Why there is no plan, in words."""


class ExperimentParetoPoint(Body):
    """A point that no other beats in all measures."""

    index: Count
    """Its place in the grid."""
    parameters: Parameters
    """Its value of each axis, by name."""
    seed: Count | None = absent()
    """Its seed, where there are any."""
    measures: Mapping[str, float]
    """Its measures, by name."""
    lower_bound: float | None
    """The proven bound of its objective."""


class ExperimentPareto(Body):
    """The points worth having."""

    measures: list[str]
    """What is weighed, as it was asked for."""
    points: list[ExperimentParetoPoint]
    """By the first measure, best first; the first 1,000."""
    points_count: Count
    """How many there are."""


class Experiment(ExperimentHead):
    """An experiment without its points, which have an address of their own."""

    axes: list[ExperimentAxisSummary]
    """The sides of the grid."""
    seeds: list[int] | None = absent()
    """With which every combination is planned, where there are any."""
    plan_id: PlanId | None = absent()
    """The plan that is its base, where it is one; it may be gone."""
    statuses: Mapping[str, int]
    """How many of the points that are there ended how."""
    pareto: ExperimentPareto
    """Of the points that are there."""
    failure: ExperimentFailure | None = absent()
    """Of a failed one."""
    points_url: str
    """Address of the table of points."""
    differences_url: str | None = absent()
    """Address of the paired differences, where there are seeds."""


class ExperimentPage(Body):
    """One page of experiments, newest first."""

    items: list[ExperimentHead]
    """The experiments of this page, newest first."""
    next_cursor: NextCursor


class ExperimentPointPage(Body):
    """One page of points, in the order of the grid."""

    items: list[ExperimentPoint]
    """The points of this page that are there."""
    next_cursor: NextCursor


class ExperimentDifference(Body):
    """How a measure differs between two values of an axis, all else and the seed the same."""

    measure: str
    """Which of the experiment's measures differs."""
    axis: str
    """The axis whose value differs."""
    value: float | str
    """The value of the axis that is held against its first one."""
    against: float | str
    """The first value of the axis."""
    parameters: Parameters
    """The values of the other axes."""
    pairs: Count
    """Seeds for which both points have the measure."""
    mean: float
    """Mean of the differences, value less against [as the measure]."""
    interval: tuple[float, float] | None
    """Interval of the mean at 95 % (Student's t) [as the measure]; null of fewer than two pairs."""


class ExperimentDifferencePage(Body):
    """One page of paired differences."""

    items: list[ExperimentDifference]
    """By measure, axis, and point."""
    next_cursor: NextCursor
