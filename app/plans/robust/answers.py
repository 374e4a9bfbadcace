"""What the robust family answers, as JSON: plans of cells, cells without one."""

from datetime import datetime
from typing import Literal

from app.plans.carried import RunsOnDevice, SplitNetwork
from app.plans.robust.schemas import RobustOptions
from app.plans.schemas import PlanBase
from app.quantities import Body, Count, NonNegative, absent

Binding = Literal["clock", "rate", "margin", "memory", "loss", "stage", "server"]
"""`loss`: what it is sent in loses more than `max_loss`; `stage`: device or uplink cannot keep up
with `rate_hz`; `server`: no room at the servers beside the others."""


class RobustLatency(Body):
    """Delay of one inference: its parts are means; `bound_s` = mean + margin is what meets the
    deadline, with the most that a codec may send.
    """

    mean_s: float
    std_s: float
    bound_s: float
    device_s: float
    uplink_s: float
    network_s: float
    """With the way back of the result."""
    server_s: float
    """Of all servers, with the line between them."""
    device_low_s: float | None = absent()
    device_high_s: float | None = absent()
    """Where the device's time was estimated from that of the whole network: `device_s` lies between
    these in nine of ten such cases. `std_s` counts it too."""


class RobustEnergyParts(Body):
    """What an inference spends; the parts add up to `energy_j`."""

    compute_j: float
    """What follows the clock, was measured as energy, or is a start-up."""
    static_j: float
    """Drawn while computing, whatever the clock."""
    radio_j: float
    wait_j: float | None = absent()
    """Idle power while network and server are at work; with `options.energy` whole."""
    standby_j: float | None = absent()
    """Idle power while the device computes and sends; with `options.energy` whole."""


class RobustTierCut(SplitNetwork):
    """Where a tier goes on."""

    server: str
    cut: Count
    cut_name: str


class RobustAlternative(Body):
    """A cut, and what speaks against it."""

    cut: Count
    cut_name: str
    cell_energy_at_least_j: float | None
    """Proven: no plan of its cell in which this user takes this cut spends less; null where there
    is no such plan, and where users say `rate_hz`.
    """
    cell_power_at_least_w: float | None = absent()
    """The same where users say `rate_hz`."""
    binding: Binding | None
    """What stops the cut even if the user had the whole uplink."""
    short_by_s: float | None
    """What the cut lacks then; null where nothing stops it so, or memory does."""
    short_by_hz: float | None
    """What the cut lacks of the uplink beside the others' least shares, where that alone leaves no
    plan; else null.
    """


class RobustUserResult(RunsOnDevice, SplitNetwork):
    """What one device should do."""

    id: str
    cell: str | None = absent()
    cut: Count
    cut_name: str
    codec: str | None = absent()
    """What crosses the cut is sent in it; null: the plain tensor, or nothing. Where any is
    weighed."""
    server: str | None = absent()
    """Where the layers after the cut run; null: nowhere but here. Where there are several."""
    tier: RobustTierCut | None = absent()
    """The server behind that one which does the last layers; null: none does. Where there are
    tiers."""
    frequency_hz: float
    bandwidth_hz: NonNegative
    bandwidth_share: float
    """Of its cell's uplink, in [0, 1]."""
    rate_bps: float
    sent_byte: float | None = absent()
    """What crosses the cut, on average."""
    energy_j: float
    """Of one inference."""
    compute_energy_j: float
    radio_energy_j: float
    energy: RobustEnergyParts | None = absent()
    energy_source: Literal["energy_j", "power_w", "level_power_w", "law"] | None = absent()
    """What the energy of computing rests on: an energy or a power that was measured at this clock
    for this cut, a power that was measured at this clock, or the device's power law."""
    rate_hz: float | None = absent()
    """Inferences per second, as asked for."""
    latency: RobustLatency
    deadline_s: float
    slack_s: float
    violation_bound: float
    """No distribution with these means and variances misses the deadline more often."""
    valid_gain_db: tuple[float | None, float | None]
    """The gains at which this cut, clock and share still meet the deadline; null: unbounded, or
    nothing is sent.
    """
    fallback_cut: int | None
    """The cut for gains outside: it sends nothing and keeps the deadline; null where there is none.
    """
    alternatives: list[RobustAlternative] | None = absent()
    """Why not another cut: all cuts in order, the one taken among them; with `options.explain`."""


class RobustObjective(Body):
    """An objective."""

    energy_j: float
    """Of one inference of every user."""
    power_w: float | None = absent()
    """Of all users, as often as they infer: what is least where they say `rate_hz`."""


class RobustBaseline(Body):
    """What a simpler rule would spend; null where it cannot keep the deadlines."""

    energy_j: float | None
    """Of the best plan by this rule that was found; never more than that of the plan itself where
    it keeps the rule. Null where users say `rate_hz`: see `power_w`.
    """
    lower_bound_j: float | None
    """Proven: no plan by this rule spends less."""
    power_w: float | None = absent()
    """As `energy_j`, where users say `rate_hz`."""
    lower_bound_w: float | None = absent()
    gap: float | None
    """Relative distance of the two; up to the gap asked for they count as equal."""
    feasible: bool


class RobustMeanOnlyBaseline(Body):
    """What planning with means alone would spend, and how late it could be."""

    energy_j: float | None
    """Of the best plan that was found; never more than that of the plan itself. Null where users
    say `rate_hz`: see `power_w`."""
    lower_bound_j: float | None
    """Proven: no plan with means alone spends less."""
    power_w: float | None = absent()
    """As `energy_j`, where users say `rate_hz`."""
    lower_bound_w: float | None = absent()
    gap: float | None
    """Relative distance of the two; up to the gap asked for they count as equal."""
    violation_bound_max: float | None


class RobustBaselines(Body):
    """The baselines, on the same cell."""

    device_only: RobustBaseline
    edge_only: RobustBaseline
    equal_share: RobustBaseline
    mean_only: RobustMeanOnlyBaseline


class RobustServerUse(Body):
    """A server that says how many inferences it works on at once, where users say how often they
    infer."""

    server: str
    used: float
    """Seconds of inference per second."""
    budget: float
    """`max_utilisation` × `parallel`."""
    price_j_per_s: float
    """What one more second of it would save, by the bound: 0 where it is not full."""


class RobustMarginEvidence(Body):
    """What the promised risks rest on where they rest on samples."""

    margin: Literal["samples", "ambiguous", "unimodal"]
    samples: Count
    """The fewest behind the option of any user."""
    effective_samples: Count
    """Of these, thinned to what is independent."""
    users_without: Count
    """Users whose option rests on none: its time never varies, the fallback margin bounds it, or,
    with `unimodal`, that it has one mode is assumed."""
    confidence: float | None
    """With this probability over the samples, each user is late with at most its risk; null where
    no samples prove that."""
    options_compared: Count
    """Options of a user among which the doubt was shared out, so that the best may be taken; with
    `unimodal` those that were tested."""
    measured_at: datetime | None
    """When the oldest of the samples were taken."""
    holds_while: str
    """What has to stay as it was."""


class RobustCertificate(Body):
    """The proof: a lower bound on every possible plan, and an independent check of this one."""

    status: Literal["optimal", "feasible"]
    """`optimal`: no plan is better by more than the relative gap asked for."""
    lower_bound_j: float | None
    """Null where users say `rate_hz`: see `lower_bound_w`."""
    checked_lower_bound_j: float | None = 0.0
    """What the check proves by itself [J], with formulas and a search of its own: no plan spends
    less.

    Within the gap asked for in cells of up to 50 users, nearly always; in larger ones the dual's
    bound, which may leave more. 0 in plans made before the check had a bound. Null where users
    say `rate_hz`: see `checked_lower_bound_w`.
    """
    lower_bound_w: float | None = absent()
    """As `lower_bound_j`, where users say `rate_hz`."""
    checked_lower_bound_w: float | None = absent()
    gap: float
    holds: bool
    """Every constraint was recomputed from request and decision by code with formulas of its own.
    """
    bandwidth_price_j_per_hz: float | None
    """What one more hertz would save at the chosen cuts; null for several cells, each of which has
    its own, and where users say `rate_hz`.
    """
    bandwidth_price_w_per_hz: float | None = absent()
    bandwidth_used_hz: float
    servers: list[RobustServerUse] | None = absent()
    """Servers that have a budget; several cells' one after the other."""
    evidence: RobustMarginEvidence | None = absent()
    """With the margins `samples`, `ambiguous` and `unimodal`: what they rest on."""


class RobustCellResult(Body):
    """A cell of a plan."""

    id: str
    users_count: Count
    bandwidth_hz: float
    objective: RobustObjective
    certificate: RobustCertificate


class RobustPlanResult(Body):
    """A plan that was checked; of several cells, the sum of their plans."""

    objective: RobustObjective
    users: list[RobustUserResult] | None = absent()
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    cut_counts: dict[str, Count]
    """Users per cut, `model/cut name`."""
    certificate: RobustCertificate
    """Of several cells: optimal if each is, with the sum of their bounds."""
    cells: list[RobustCellResult] | None = absent()
    """The cells with users, in the order of the request; where it lists any."""
    baselines: RobustBaselines | None
    """Null where there was no time to compare, or it was not asked for."""
    margins: dict[str, RobustBaseline] | None = absent()
    """The same options with each margin that looks at moments; where the plan rests on samples, or
    `options.baselines` asks for it."""


class RobustCutReason(Body):
    """Why a cut does not work for a user, with the whole uplink and the largest clock: the option
    that comes closest speaks for it."""

    cut: Count
    binding: Binding
    short_by_s: float | None


class RobustInfeasibleUser(Body):
    """A user who fails even alone, and the least change of each kind that would help; null: none
    would.

    With exactly that the user alone has a plan, with less, by 1e-9 of the number, none. For all of
    them: `together`."""

    id: str
    cell: str | None = absent()
    reasons: list[RobustCutReason]
    least_deadline_s: float | None
    least_risk: float | None
    least_bandwidth_hz: float | None


class RobustCellRemedies(Body):
    """Changes for a whole cell, each enough alone: changed by exactly that it has a plan, by less
    it has none.

    What is told for a user who fails helps that user alone: beside the others there may be too
    little of the uplink."""

    deadline_factor: float | None
    """The least factor on the deadlines of all its users."""
    bandwidth_with_deadlines_hz: float | None
    """The least uplink once every user who fails alone has its least_deadline_s; 0: nobody needs to
    send then.
    """
    bandwidth_with_risks_hz: float | None
    """The least uplink once every user who fails alone has its least_risk; null where somebody has
    none.
    """


class RobustServerNeed(Body):
    """A server that has a budget, and the least with which the cell has a plan, all else as it
    is."""

    server: str
    budget: float
    """Seconds of inference per second: `max_utilisation` × `parallel`."""
    least_budget: float | None
    """Null where no budget of this server alone would do."""
    least_parallel: Count | None


class RobustInfeasibleCell(Body):
    """A cell without a plan."""

    id: str
    bandwidth_hz: float
    """What it has."""
    users_failing: Count
    """Users who fail even alone; 0: the cell is over-subscribed."""
    least_total_bandwidth_hz: float | None
    least_deadline_factor: float | None
    servers: list[RobustServerNeed] | None = absent()
    together: RobustCellRemedies


class RobustInfeasible(Body):
    """Why there is no plan.

    No user of a cell listed: each works alone, but the cell is over-subscribed.
    """

    users: list[RobustInfeasibleUser] | None = absent()
    users_url: str | None = absent()
    least_total_bandwidth_hz: float | None
    """The sum of what the users need at least; null where some user cannot be helped by bandwidth.
    Null too where the request lists several cells: see them."""
    least_deadline_factor: float | None
    """The least factor on all deadlines that makes room for everyone; null unless the cell is
    over-subscribed.
    """
    servers: list[RobustServerNeed] | None = absent()
    """What servers with a budget lack; where the request lists several cells: see them."""
    together: RobustCellRemedies | None
    """What helps the whole cell, also where users fail alone; null where the request lists several
    cells: see them.
    """
    cells: list[RobustInfeasibleCell] | None = absent()
    """The cells that have no plan, where the request lists any: the others would have one."""


class RobustPlan(PlanBase):
    """A plan of the robust family."""

    kind: Literal["robust"]
    options: RobustOptions
    """As they took effect."""
    result: RobustPlanResult | None
    infeasible: RobustInfeasible | None = absent()
