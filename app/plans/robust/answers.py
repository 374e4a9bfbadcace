"""What the robust family answers, as JSON: plans of cells, cells without one."""

from datetime import datetime
from typing import Annotated, Literal

from app.plans.admission import ADMISSION, PlanAdmission
from app.plans.carried import Clock, Cut, CutName, RunsOnDevice, SplitNetwork, UserOfPlan
from app.plans.conflicts import CONFLICTS, PlanConflict
from app.plans.robust.schemas import RobustOptions
from app.plans.schemas import FAMILY, INFEASIBLE, OPTIONS, RESULT, USERS_URL, PlanBase
from app.quantities import Body, Count, NonNegative, absent

Binding = Literal["clock", "rate", "margin", "memory", "loss", "stage", "server"]
"""`loss`: what it is sent in loses more than `max_loss`; `stage`: device or uplink cannot keep up
with `rate_hz`; `server`: no room at the servers beside the others."""


class RobustLatency(Body):
    """Delay of one inference: its parts are means; `bound_s` = mean + margin is what meets the
    deadline, with the most that a codec may send.
    """

    mean_s: float
    """Mean time of an inference, the sum of its parts [s]."""
    std_s: float
    """Standard deviation of that time [s]."""
    bound_s: float
    """Mean and margin together, with the most that a codec may send [s]: what is held against
    the deadline."""
    device_s: float
    """Mean time that the device computes [s]."""
    uplink_s: float
    """Expected time to send what crosses the cut [s]; 0 where nothing does."""
    network_s: float
    """The network's own mean delay with the way back of the result [s]; 0 where nothing is sent."""
    server_s: float
    """Mean time of all servers, with the line between them [s]."""
    device_low_s: float | None = absent()
    """Least time of the device that its estimate allows [s]: see `device_high_s`."""
    device_high_s: float | None = absent()
    """Where the device's time was estimated from that of the whole network: `device_s` lies
    between `device_low_s` and this in nine of ten such cases [s]. `std_s` counts it too."""


class RobustEnergyParts(Body):
    """What an inference spends; the parts add up to `energy_j`."""

    compute_j: float
    """What follows the clock, was measured as energy, or is a start-up [J]."""
    static_j: float
    """Drawn while computing, whatever the clock [J]."""
    radio_j: float
    """What the radio spends to send what crosses the cut [J]; 0 where nothing does."""
    wait_j: float | None = absent()
    """Idle power while network and server are at work [J]; with `options.energy` whole."""
    standby_j: float | None = absent()
    """Idle power while the device computes and sends [J]; with `options.energy` whole."""


class RobustTierCut(SplitNetwork):
    """Where a tier goes on."""

    server: str
    """The server of the tier, as `name@revision`, or `inline:name` for a body sent with the
    request."""
    cut: Count
    """Position in the model's list of the second cut, from 0: the layers after it run on the
    tier's server."""
    cut_name: CutName


class RobustAlternative(Body):
    """A cut, and what speaks against it."""

    cut: Cut
    cut_name: CutName
    cell_energy_at_least_j: float | None
    """Proven: no plan of its cell in which this user takes this cut spends less [J]; null where
    there is no such plan, and where users say `rate_hz`."""
    cell_power_at_least_w: float | None = absent()
    """The same in power [W], where users say `rate_hz`."""
    binding: Binding | None
    """What stops the cut even if the user had the whole uplink."""
    short_by_s: float | None
    """Time that the cut lacks then [s]; null where nothing stops it so, or memory does."""
    short_by_hz: float | None
    """What the cut lacks of the uplink beside the others' least shares [Hz], where that alone
    leaves no plan; else null."""


class RobustUserResult(RunsOnDevice, SplitNetwork):
    """What one device should do."""

    id: UserOfPlan
    cell: str | None = absent()
    """The cell in which the user is; absent where the request lists none."""
    cut: Cut
    cut_name: CutName
    codec: str | None = absent()
    """What crosses the cut is sent in it; null: the plain tensor, or nothing. Where any is
    weighed."""
    server: str | None = absent()
    """Where the layers after the cut run; null: nowhere but here. Where there are several."""
    tier: RobustTierCut | None = absent()
    """The server behind that one which does the last layers; null: none does. Where there are
    tiers."""
    frequency_hz: Clock
    bandwidth_hz: NonNegative
    """The user's share of the uplink [Hz] (FDMA); 0 where it sends nothing."""
    bandwidth_share: float
    """Of its cell's uplink, in [0, 1]."""
    rate_bps: float
    """Uplink rate at that share and the user's mean gain [bit/s]; 0 where it sends nothing."""
    sent_byte: float | None = absent()
    """What crosses the cut, on average [byte]."""
    energy_j: float
    """Expected energy of one inference at the device [J]."""
    compute_energy_j: float
    """Its part that computing takes, without what is drawn whatever the clock [J]:
    `energy.compute_j`."""
    radio_energy_j: float
    """Its part that sending takes [J]: `energy.radio_j`."""
    energy: RobustEnergyParts | None = absent()
    """All parts of `energy_j`; absent in plans of earlier releases."""
    energy_source: Literal["energy_j", "power_w", "level_power_w", "law"] | None = absent()
    """What the energy of computing rests on: an energy or a power that was measured at this clock
    for this cut, a power that was measured at this clock, or the device's power law."""
    rate_hz: float | None = absent()
    """Inferences per second, as asked for [Hz]."""
    latency: RobustLatency
    """The expected time of an inference, its parts and its margin."""
    deadline_s: float
    """Largest time of an inference, as asked for [s]."""
    slack_s: float
    """What the deadline leaves over `latency.bound_s` [s]."""
    violation_bound: float
    """No distribution with these means and variances misses the deadline more often."""
    valid_gain_db: tuple[float | None, float | None]
    """The gains at which this cut, clock and share still meet the deadline, least and largest
    [dB]; null: unbounded, or nothing is sent."""
    fallback_cut: int | None
    """The cut for gains outside: it sends nothing and keeps the deadline; null where there is none.
    """
    alternatives: list[RobustAlternative] | None = absent()
    """Why not another cut: all cuts in order, the one taken among them; with `options.explain`."""


class RobustObjective(Body):
    """An objective."""

    energy_j: float
    """Energy of one inference of every user, summed [J]."""
    power_w: float | None = absent()
    """Power of all users, as often as they infer [W]: what is least where they say `rate_hz`."""


class RobustBaseline(Body):
    """What a simpler rule would spend; null where it cannot keep the deadlines."""

    energy_j: float | None
    """Energy of the best plan by this rule that was found [J]; never more than that of the plan
    itself where it keeps the rule. Null where users say `rate_hz`: see `power_w`."""
    lower_bound_j: float | None
    """Proven: no plan by this rule spends less [J]."""
    power_w: float | None = absent()
    """As `energy_j`, in power [W], where users say `rate_hz`."""
    lower_bound_w: float | None = absent()
    """As `lower_bound_j`, in power [W], where users say `rate_hz`."""
    gap: float | None
    """Relative distance of the two; up to the gap asked for they count as equal."""
    feasible: bool
    """Whether a plan by this rule was found that keeps every deadline."""


class RobustMeanOnlyBaseline(Body):
    """What planning with means alone would spend, and how late it could be."""

    energy_j: float | None
    """Energy of the best plan that was found [J]; never more than that of the plan itself. Null
    where users say `rate_hz`: see `power_w`."""
    lower_bound_j: float | None
    """Proven: no plan with means alone spends less [J]."""
    power_w: float | None = absent()
    """As `energy_j`, in power [W], where users say `rate_hz`."""
    lower_bound_w: float | None = absent()
    """As `lower_bound_j`, in power [W], where users say `rate_hz`."""
    gap: float | None
    """Relative distance of the two; up to the gap asked for they count as equal."""
    violation_bound_max: float | None
    """How often the user worst off may miss its deadline under that plan: the largest of the
    users' bounds; null where there is no such plan."""


class RobustBaselines(Body):
    """The baselines, on the same cell."""

    device_only: RobustBaseline
    """Every user computes all layers on its device."""
    edge_only: RobustBaseline
    """Every user sends its input, and the server computes all layers."""
    equal_share: RobustBaseline
    """Every user has the same share of the uplink, and the best cut and clock for it."""
    mean_only: RobustMeanOnlyBaseline
    """Deadlines are kept on average, without any margin for varying times."""


class RobustServerUse(Body):
    """A server that says how many inferences it works on at once, where users say how often they
    infer."""

    server: str
    """The server, as `name@revision`, or `inline:name` for a body sent with the request."""
    used: float
    """Seconds of inference per second."""
    budget: float
    """`max_utilisation` × `parallel`."""
    price_j_per_s: float
    """What one more second of it would save, by the bound [J/s]: 0 where it is not full."""


class RobustMarginEvidence(Body):
    """What the promised risks rest on where they rest on samples."""

    margin: Literal["samples", "ambiguous", "unimodal"]
    """The margin of the plan, as `options.margin` has it."""
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
    """Proven: no plan spends less [J]. Null where users say `rate_hz`: see `lower_bound_w`."""
    checked_lower_bound_j: float | None = 0.0
    """What the check proves by itself [J], with formulas and a search of its own: no plan spends
    less.

    Within the gap asked for in cells of up to 50 users, nearly always; in larger ones the dual's
    bound, which may leave more. 0 in plans made before the check had a bound. Null where users
    say `rate_hz`: see `checked_lower_bound_w`.
    """
    lower_bound_w: float | None = absent()
    """As `lower_bound_j`, in power [W], where users say `rate_hz`."""
    checked_lower_bound_w: float | None = absent()
    """As `checked_lower_bound_j`, in power [W], where users say `rate_hz`."""
    gap: float
    """Relative distance of the objective to the lower bound: (objective - bound) / objective."""
    holds: bool
    """Every constraint was recomputed from request and decision by code with formulas of its own.
    """
    bandwidth_price_j_per_hz: float | None
    """What one more hertz would save at the chosen cuts [J/Hz]; null for several cells, each of
    which has its own, and where users say `rate_hz`."""
    bandwidth_price_w_per_hz: float | None = absent()
    """The same in power [W/Hz], where users say `rate_hz`; null for several cells."""
    bandwidth_used_hz: float
    """Sum of all users' shares of the uplink [Hz], over all cells."""
    servers: list[RobustServerUse] | None = absent()
    """Servers that have a budget; several cells' one after the other."""
    evidence: RobustMarginEvidence | None = absent()
    """With the margins `samples`, `ambiguous` and `unimodal`: what they rest on."""


class RobustCellResult(Body):
    """A cell of a plan."""

    id: str
    """What the request calls this cell."""
    users_count: Count
    """How many of the request's users are in it."""
    bandwidth_hz: float
    """The uplink that its users share [Hz]."""
    objective: RobustObjective
    """What its users spend together."""
    certificate: RobustCertificate
    """The proof for this cell alone."""


class RobustPlanResult(Body):
    """A plan that was checked; of several cells, the sum of their plans."""

    objective: RobustObjective
    """What all users spend together."""
    users: list[RobustUserResult] | None = absent()
    """What each user should do, in the order of the request; absent where they are more than
    1,000."""
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    cut_counts: dict[str, Count]
    """Users per cut, `model/cut name`."""
    certificate: RobustCertificate
    """Of several cells: optimal if each is, with the sum of their bounds."""
    cells: list[RobustCellResult] | None = absent()
    """The cells with users, in the order of the request; where it lists any."""
    admission: Annotated[PlanAdmission | None, ADMISSION] = absent()
    baselines: RobustBaselines | None
    """Null where there was no time to compare, or it was not asked for."""
    margins: dict[str, RobustBaseline] | None = absent()
    """The same options with each margin that looks at moments; where the plan rests on samples, or
    `options.baselines` asks for it."""


class RobustCutReason(Body):
    """Why a cut does not work for a user, with the whole uplink and the largest clock: the option
    that comes closest speaks for it."""

    cut: Cut
    binding: Binding
    """The constraint that it breaks."""
    short_by_s: float | None
    """Time that it lacks [s]; null where memory, accuracy or the server is what stops it."""


class RobustInfeasibleUser(Body):
    """A user who fails even alone, and the least change of each kind that would help; null: none
    would.

    With exactly that the user alone has a plan, with less, by 1e-9 of the number, none. For all of
    them: `together`."""

    id: UserOfPlan
    cell: str | None = absent()
    """The cell in which the user is; absent where the request lists none."""
    reasons: list[RobustCutReason]
    """What stops each cut of its network, in the order of the cuts."""
    least_deadline_s: float | None
    """The least deadline with which the user alone has a plan [s]; null where none helps."""
    least_risk: float | None
    """The least risk of missing its deadline with which it has one; null where none helps."""
    least_bandwidth_hz: float | None
    """The least uplink with which it has one [Hz]; null where none helps."""


class RobustCellRemedies(Body):
    """Changes for a whole cell, each enough alone: changed by exactly that it has a plan, by less
    it has none.

    What is told for a user who fails helps that user alone: beside the others there may be too
    little of the uplink."""

    deadline_factor: float | None
    """The least factor on the deadlines of all its users."""
    bandwidth_with_deadlines_hz: float | None
    """The least uplink once every user who fails alone has its least_deadline_s [Hz]; 0: nobody
    needs to send then."""
    bandwidth_with_risks_hz: float | None
    """The least uplink once every user who fails alone has its least_risk [Hz]; null where
    somebody has none."""


class RobustServerNeed(Body):
    """A server that has a budget, and the least with which the cell has a plan, all else as it
    is."""

    server: str
    """The server, as `name@revision`, or `inline:name` for a body sent with the request."""
    budget: float
    """Seconds of inference per second: `max_utilisation` × `parallel`."""
    least_budget: float | None
    """Null where no budget of this server alone would do."""
    least_parallel: Count | None
    """The least `parallel` of the server that gives this budget; null where none does."""


class RobustInfeasibleCell(Body):
    """A cell without a plan."""

    id: str
    """What the request calls this cell."""
    bandwidth_hz: float
    """The uplink that it has [Hz]."""
    users_failing: Count
    """Users who fail even alone; 0: the cell is over-subscribed."""
    least_total_bandwidth_hz: float | None
    """The sum of what its users need at least [Hz]; null where some user cannot be helped by
    bandwidth."""
    least_deadline_factor: float | None
    """The least factor on all its deadlines that makes room for everyone; null unless it is
    over-subscribed."""
    servers: list[RobustServerNeed] | None = absent()
    """What its servers with a budget lack; absent where none has one."""
    together: RobustCellRemedies
    """What helps the whole cell, also where users fail alone."""


class RobustInfeasible(Body):
    """Why there is no plan.

    No user of a cell listed: each works alone, but the cell is over-subscribed.
    """

    users: list[RobustInfeasibleUser] | None = absent()
    """The users who fail even alone, in the order of the request; absent where they are more
    than 1,000."""
    users_url: Annotated[str | None, USERS_URL] = absent()
    least_total_bandwidth_hz: float | None
    """The sum of what the users need at least [Hz]; null where some user cannot be helped by
    bandwidth. Null too where the request lists several cells: see them."""
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
    users_failing: Count | None = absent()
    """How many users fail even alone, in all cells; absent in plans of earlier releases."""
    users_listed: Count | None = absent()
    """How many of them `users` tells: of each cell the first 10,000. Less than `users_failing`
    where the list is cut."""
    conflicts: Annotated[list[PlanConflict] | None, CONFLICTS] = absent()
    cells: list[RobustInfeasibleCell] | None = absent()
    """The cells that have no plan, where the request lists any: the others would have one."""


class RobustPlan(PlanBase):
    """A plan of the robust family."""

    kind: Annotated[Literal["robust"], FAMILY]
    options: Annotated[RobustOptions, OPTIONS]
    result: Annotated[RobustPlanResult | None, RESULT]
    infeasible: Annotated[RobustInfeasible | None, INFEASIBLE] = absent()
