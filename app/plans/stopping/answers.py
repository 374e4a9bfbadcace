"""What the stopping family answers, as JSON: plans with their tables, fleets without one."""

from typing import Literal

from app.plans.carried import NamedPartition, RunsOnDevice, SplitNetwork, SplitTable
from app.plans.schemas import PlanBase
from app.plans.stopping.energy import EnergySource
from app.plans.stopping.schemas import StoppingOptions
from app.quantities import Body, Count, absent


class StoppingEnergy(Body):
    """What the expected energy is made of; the parts add up to it."""

    compute_j: float
    """Of the device's layers, without what is drawn whatever the clock."""
    static_j: float
    """Drawn whatever the clock while computing, or measured as a power."""
    radio_j: float
    """While sending, and for each bit sent."""
    wait_j: float
    """While waiting for the channel and the edge; 0 with `energy: marginal`."""
    standby_j: float | None = absent()
    """Idle power while computing and sending; with `energy: whole` only."""


class StoppingExpected(Body):
    """Means per inference; `cost` = time_per_s × time_s + energy_per_j × energy_j, without the
    placement.
    """

    cost: float
    time_s: float
    energy_j: float
    energy: StoppingEnergy
    placement_cost: float


class StoppingCurvePoint(Body):
    """What another placement would cost per inference; null: no finite cost."""

    placement: Count
    placement_cost: float
    running_cost: float | None
    total_cost: float | None
    fits_memory: bool


class StoppingTableRow(NamedPartition):
    """What to do at a cut: offload when the rate seen is at least `rate_bps`, else compute on or
    wait.
    """

    cut: Count
    cut_name: str
    offload: Literal["always", "never", "threshold"]
    rate_bps: float | None = absent()
    snr_db: float | None = absent()
    """The same threshold over the whole bandwidth; left out on a channel given in rates."""
    gain_db: float | None = absent()
    """The same threshold at the device's transmit power; left out on a channel given in rates."""
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
    min_rate_bps: float
    """Slower than this is an outage."""
    state_rate_bps: list[float] | None = absent()
    """Markov channels: the rate of each state."""
    rows: list[StoppingTableRow]


class StoppingOffer(Body):
    """What a simpler rule would cost per inference at a placement of its own; null: no finite cost,
    or no room.
    """

    placement: Count
    cost: float | None
    placement_cost: float
    total_cost: float | None
    feasible: bool


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
    cost: float | None
    placement_cost: float
    total_cost: float | None


class StoppingBaselines(Body):
    """The plan's neighbours; fixed cuts wait out outages."""

    device_only: StoppingOffer
    edge_only: StoppingOffer
    best_fixed: StoppingOffer
    clairvoyant: StoppingClairvoyant | None


class StoppingUserResult(RunsOnDevice, SplitNetwork):
    """What one device should do."""

    id: str
    placement: Count
    """Layers to place: the last cut it may reach."""
    cut_name: str
    placement_byte: float
    frequency_hz: float
    energy_source: EnergySource | None
    """What the energy of the placed layers was made from: measured energy or power of the timing,
    measured power of the device's clock, or its law of power. Where they differ, the least
    measured; null where no layer is placed."""
    mean_snr_db: float | None
    """null on a channel given in rates."""
    expected: StoppingExpected
    total_cost: float
    """Per inference, placement included."""
    curve: list[StoppingCurvePoint]
    beyond_memory: list[str]
    """Names of the cuts whose layers do not fit the device's memory: no candidates."""
    table: StoppingTable
    look_ahead: StoppingLookAhead
    baselines: StoppingBaselines


class StoppingObjective(Body):
    """Sums over users of the expected cost per inference."""

    cost: float
    running_cost: float
    placement_cost: float


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


class StoppingTotals(Body):
    """What simpler rules would cost the whole fleet."""

    device_only: StoppingTotal
    edge_only: StoppingTotal
    best_fixed: StoppingTotal
    look_ahead: StoppingTotal
    clairvoyant: StoppingTotal


class StoppingPlanResult(Body):
    """A plan that was checked."""

    objective: StoppingObjective
    users: list[StoppingUserResult] | None = absent()
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    placement_counts: dict[str, Count]
    """Users per placement, `model/cut name`."""
    certificate: StoppingCertificate
    baselines: StoppingTotals


class StoppingInfeasibleUser(Body):
    """A user whom no placement serves at a finite cost."""

    id: str
    reason: Literal["memory", "outage"]
    """`memory`: the placement asked for does not fit; `outage`: the channel is never up, and not
    all of the network may or can stay on the device."""
    placement: Count
    """The placement that would be needed."""
    short_by_byte: float | None
    """Memory missing for it; null where it fits."""


class StoppingInfeasible(Body):
    """Why there is no plan."""

    users: list[StoppingInfeasibleUser] | None = absent()
    users_url: str | None = absent()


class StoppingPlan(PlanBase):
    """A plan of the stopping family."""

    kind: Literal["stopping"]
    options: StoppingOptions
    """As they took effect."""
    result: StoppingPlanResult | None
    infeasible: StoppingInfeasible | None = absent()
