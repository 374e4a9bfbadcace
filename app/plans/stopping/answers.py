"""What the stopping family answers, as JSON: plans with their tables, fleets without one."""

from typing import Annotated, Literal

from app.plans.carried import (
    Clock,
    Cut,
    CutName,
    NamedPartition,
    RunsOnDevice,
    SplitNetwork,
    SplitTable,
    UserOfPlan,
)
from app.plans.conflicts import CONFLICTS, PlanConflict
from app.plans.schemas import FAMILY, INFEASIBLE, OPTIONS, RESULT, USERS_URL, PlanBase
from app.plans.stopping.energy import EnergySource
from app.plans.stopping.schemas import StoppingOptions
from app.quantities import Body, Count, absent


class StoppingEnergy(Body):
    """What the expected energy is made of; the parts add up to it."""

    compute_j: float
    """Of the device's layers, without what is drawn whatever the clock [J]."""
    static_j: float
    """Drawn whatever the clock while computing, or measured as a power [J]."""
    radio_j: float
    """While sending, and for each bit sent [J]."""
    wait_j: float
    """While waiting for the channel and the edge [J]; 0 with `energy: marginal`."""
    standby_j: float | None = absent()
    """Idle power while computing and sending [J]; with `energy: whole` only."""


class StoppingExpected(Body):
    """Means per inference; `cost` = time_per_s × time_s + energy_per_j × energy_j, without the
    placement.
    """

    cost: float
    """Weighted time and energy of an inference, without the placement: the running cost."""
    time_s: float
    """Mean time of an inference [s], waits for the channel included."""
    energy_j: float
    """Mean energy of an inference at the device [J]."""
    energy: StoppingEnergy
    """The parts of `energy_j`."""
    placement_cost: float
    """Cost of placing the layers, per inference that they serve."""


class StoppingCurvePoint(Body):
    """What another placement would cost per inference; null: no finite cost."""

    placement: Count
    """How many layers would be placed on the device."""
    placement_cost: float
    """Cost of placing them, per inference that they serve."""
    running_cost: float | None
    """Expected weighted time and energy of an inference; null: no finite cost."""
    total_cost: float | None
    """Both costs together; null: no finite cost."""
    fits_memory: bool
    """Whether their parameters fit the device's memory; if not, it was no candidate."""


class StoppingTableRow(NamedPartition):
    """What to do at a cut: offload when the rate seen is at least `rate_bps`, else compute on or
    wait.
    """

    cut: Cut
    cut_name: CutName
    offload: Literal["always", "never", "threshold"]
    """`always`, `never`, or at the `threshold` that `rate_bps` or a Markov channel's states say."""
    rate_bps: float | None = absent()
    """The threshold: offload at this uplink rate or above [bit/s]. Absent where no rate decides."""
    snr_db: float | None = absent()
    """The same as SNR over the whole bandwidth [dB]; left out on a channel given in rates."""
    gain_db: float | None = absent()
    """The same as gain at the device's power [dB]; left out on a channel given in rates."""
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


class StoppingTable(SplitTable):
    """What a device carries: one row for every cut up to the placement."""

    schema_version: Literal[1]
    """The version of this form of table; another form gets another number."""
    min_rate_bps: float
    """An uplink rate below this is an outage [bit/s]."""
    state_rate_bps: list[float] | None = absent()
    """Markov channels: the rate of each state [bit/s]."""
    rows: list[StoppingTableRow]
    """What to do at each cut, from 0 to the placement."""


class StoppingOffer(Body):
    """What a simpler rule would cost per inference at a placement of its own; null: no finite cost,
    or no room.
    """

    placement: Count
    """How many layers it would place on the device."""
    cost: float | None
    """Its running cost: weighted time and energy of an inference; null: no finite cost."""
    placement_cost: float
    """Cost of placing these layers, per inference that they serve."""
    total_cost: float | None
    """Both costs together; null: no finite cost."""
    feasible: bool
    """Whether it has a finite cost and a placement with room in the device's memory."""


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
    """The plan's own placement."""
    cost: float | None
    """Its running cost, which no rule undercuts at this placement; null: no finite cost."""
    placement_cost: float
    """Cost of placing these layers, per inference that they serve."""
    total_cost: float | None
    """Both costs together; null: no finite cost."""


class StoppingBaselines(Body):
    """The plan's neighbours; fixed cuts wait out outages."""

    device_only: StoppingOffer
    """All layers are placed and computed on the device."""
    edge_only: StoppingOffer
    """Nothing is placed: the input is sent, and the server computes all layers."""
    best_fixed: StoppingOffer
    """Always the same cut, whatever the channel: the one that costs least."""
    clairvoyant: StoppingClairvoyant | None
    """A rule that knows the channel in advance; null where it was not computed."""


class StoppingUserResult(RunsOnDevice, SplitNetwork):
    """What one device should do."""

    id: UserOfPlan
    placement: Count
    """Layers to place: the last cut it may reach."""
    cut_name: str
    """What the model's list of cuts calls the cut after the placed layers."""
    placement_byte: float
    """What has to be sent to place the layers, their parameters [byte]."""
    frequency_hz: Clock
    energy_source: EnergySource | None
    """What the energy of the placed layers was made from: measured energy or power of the timing,
    measured power of the device's clock, or its law of power. Where they differ, the least
    measured; null where no layer is placed."""
    mean_snr_db: float | None
    """Mean signal-to-noise ratio over the whole bandwidth [dB]; null on a channel given in
    rates."""
    expected: StoppingExpected
    """What an inference takes on average."""
    total_cost: float
    """Per inference, placement included."""
    curve: list[StoppingCurvePoint]
    """What every placement would cost, from no layer to all of them."""
    beyond_memory: list[str]
    """Names of the cuts whose layers do not fit the device's memory: no candidates."""
    table: StoppingTable
    """When to offload, at each cut that the placement lets the device reach."""
    look_ahead: StoppingLookAhead
    """What the one-stage look-ahead rule would cost this user."""
    baselines: StoppingBaselines
    """What simpler rules would cost this user."""


class StoppingObjective(Body):
    """Sums over users of the expected cost per inference."""

    cost: float
    """Running and placement cost together: what is least."""
    running_cost: float
    """Its part for time and energy of inferences."""
    placement_cost: float
    """Its part for placing layers, per inference that they serve."""


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
    """Total cost per inference, summed over users."""


class StoppingTotals(Body):
    """What simpler rules would cost the whole fleet."""

    device_only: StoppingTotal
    """All layers of everybody are computed on the device."""
    edge_only: StoppingTotal
    """Everybody sends its input, and the server computes all layers."""
    best_fixed: StoppingTotal
    """Everybody has the one cut that costs it least, whatever the channel."""
    look_ahead: StoppingTotal
    """Everybody follows the one-stage look-ahead rule."""
    clairvoyant: StoppingTotal
    """Everybody knows its channel in advance."""


class StoppingPlanResult(Body):
    """A plan that was checked."""

    objective: StoppingObjective
    """What was minimised, over all users."""
    users: list[StoppingUserResult] | None = absent()
    """What each user should do, in the request's order; absent where they are over 1,000."""
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    placement_counts: dict[str, Count]
    """Users per placement, `model/cut name`."""
    certificate: StoppingCertificate
    """The proof: bound, gap and check."""
    baselines: StoppingTotals
    """What each of the simpler rules would cost the whole fleet."""


class StoppingInfeasibleUser(Body):
    """A user whom no placement serves at a finite cost."""

    id: UserOfPlan
    reason: Literal["memory", "outage"]
    """`memory`: the placement asked for does not fit; `outage`: the channel is never up, and not
    all of the network may or can stay on the device."""
    placement: Count
    """The placement that would be needed."""
    short_by_byte: float | None
    """Memory missing for it [byte]; null where it fits."""


class StoppingInfeasible(Body):
    """Why there is no plan."""

    users: list[StoppingInfeasibleUser] | None = absent()
    """The users whom no placement serves, in order; absent where they are over 1,000."""
    users_url: Annotated[str | None, USERS_URL] = absent()
    users_failing: Count | None = absent()
    """How many they are; absent in plans of earlier releases."""
    conflicts: Annotated[list[PlanConflict] | None, CONFLICTS] = absent()


class StoppingPlan(PlanBase):
    """A plan of the stopping family."""

    kind: Annotated[Literal["stopping"], FAMILY]
    options: Annotated[StoppingOptions, OPTIONS]
    result: Annotated[StoppingPlanResult | None, RESULT]
    infeasible: Annotated[StoppingInfeasible | None, INFEASIBLE] = absent()
