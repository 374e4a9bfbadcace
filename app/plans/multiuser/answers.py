"""What the multi-user family answers, as JSON: tables, joint plans, cells without a plan."""

from typing import Annotated, Literal

from app.plans.admission import ADMISSION, PlanAdmission
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
from app.plans.multiuser.schemas import AdaptiveOptions, MultiUserOptions
from app.plans.schemas import FAMILY, INFEASIBLE, OPTIONS, RESULT, USERS_URL, PlanBase
from app.quantities import Body, Count, Fraction, NonNegative, absent


class RateTableRow(NamedPartition):
    """What to run while the rate is in [rate_from_bps, rate_to_bps)."""

    rate_from_bps: NonNegative
    """The row holds from this uplink rate on [bit/s]."""
    rate_to_bps: float | None
    """The row holds below this uplink rate [bit/s]; null: without end."""
    cut: Count | None
    """Position of the cut in the model's list, from 0; null: nothing keeps the limits at these
    rates."""
    cut_name: str | None
    """What the model's list of cuts calls this cut; null where there is none."""
    bits: Count | None
    """Bits per element of what crosses, 32 where the model does not count its elements;
    null where there is no cut."""
    codec: str | None = absent()
    """What crosses the cut is coded with; left out where nothing codes it."""
    cost_from: float | None
    """Cost at rate_from_bps; null where something would have to be sent at rate 0."""
    cost_to: float | None
    """Cost at rate_to_bps, or what it falls to as the rate grows where the row has no end; null
    where there is no cut."""
    fixed_cost: float | None
    """The part of the cost that the rate does not change; null where there is no cut."""
    cost_per_inverse_rate: float | None
    """What the cost has beside it, times the rate [cost · bit/s]: cost = fixed_cost +
    cost_per_inverse_rate / rate_bps. Null where there is no cut."""
    late_below_bps: float | None
    """The least rate at which this row's cut keeps the deadline, for a device that stays with
    it [bit/s]; 0 where it is never late, null where there is no cut."""
    pinned: Literal[True] | None = absent()
    """This row holds the planned rate and names the plan's cut, though another would be cheaper for
    this device.
    """


class RateTable(SplitTable):
    """A decision table as a device stores it."""

    schema_version: Literal[1]
    """The version of this form of table; another form gets another number."""
    rows: list[RateTableRow]
    """What to run, by ascending rates without a gap: the first row starts at 0."""


class MultiUserLatency(Body):
    """Mean delay of one inference and its parts."""

    mean_s: float
    """Mean time of an inference, the sum of the other parts [s]."""
    device_s: float
    """Time that the device computes [s]."""
    uplink_s: float
    """Time to send what crosses the cut at the user's share [s]; 0 where nothing does."""
    network_s: float
    """The network's own mean delay with the way back of the result [s]; 0 where nothing is sent."""
    server_s: float
    """Time at the user's share of the server [s]."""


class MultiUserUserResult(RunsOnDevice, SplitNetwork):
    """What one device should do, and what it gets."""

    id: UserOfPlan
    cut: Cut
    cut_name: CutName
    bits: Count
    """Bits per element of what crosses, with a codec on average; 32 where the model does not
    count its elements."""
    codec: str | None = absent()
    """What crosses the cut is coded with; left out where nothing codes it."""
    sent_byte: float
    """What crosses the cut [byte]; of a codec the most it sends where there is a deadline, else
    what it sends on average."""
    frequency_hz: Clock
    bandwidth_hz: float
    """The user's share of the uplink [Hz]; 0 where it sends nothing."""
    bandwidth_share: Fraction
    """The same as a fraction of the whole uplink, in [0, 1]."""
    rate_bps: float
    """Uplink rate at that share and the user's spectral efficiency [bit/s]."""
    server_share: Fraction
    """The user's share of the server as a fraction, in [0, 1]; 0 where it leaves the server
    nothing to do."""
    server_flop_per_s: float
    """server_share × the server's capacity [FLOP/s]."""
    latency: MultiUserLatency
    """The expected time of an inference and its parts."""
    loss: float
    """Accuracy lost to quantisation or a codec, 0 to 1."""
    cost: float
    """This user's part of the objective."""
    deadline_s: float | None
    """Largest mean latency, as asked for [s]; null where none was."""
    slack_s: float | None
    """What the deadline leaves over the mean latency [s]; null where there is no deadline."""
    table: RateTable
    """The best cut at every rate, at this share of the server; at the planned rate the plan's (see
    `pinned`).

    Deadlines are a billionth longer, for rounding.
    """


class MultiUserObjective(Body):
    """What was minimised, and what it is made of."""

    cost: float
    """Sum of weight × (latency_per_s × latency + loss × accuracy lost)."""
    latency_s: float
    """Mean latency over the users, weighted [s]."""
    loss: float
    """Mean accuracy lost over the users, weighted, 0 to 1."""


class MultiUserCertificate(Body):
    """The proof: a lower bound on every possible plan, and an independent check of this one."""

    status: Literal["optimal", "feasible"]
    """`optimal`: no plan is better by more than the relative gap asked for."""
    lower_bound: float | None
    """null for every method but `exact`."""
    gap: float | None
    """Relative distance of the objective to the lower bound: (objective - bound) / objective;
    null where there is no bound."""
    holds: bool
    """Every constraint was recomputed from request and decision by code with formulas of its own.
    """
    bandwidth_price: float | None
    """What one more hertz would take off the objective at the chosen cuts [cost/Hz]; null for
    equal_share."""
    server_price: float | None
    """What one more FLOP/s would take off the objective at the chosen cuts [cost/(FLOP/s)];
    null for equal_share."""


class MultiUserUtilisation(Body):
    """How much of both budgets is given out."""

    bandwidth_hz: float
    """Sum of all users' shares of the uplink [Hz]."""
    bandwidth_share: Fraction
    """The same as a fraction of the whole uplink, in [0, 1]."""
    server_flop_per_s: float
    """Sum of all users' shares of the server [FLOP/s]."""
    server_share: Fraction
    """The same as a fraction of its whole capacity, in [0, 1]."""


class MultiUserBaseline(Body):
    """What a simpler rule would make of the same cell: null where it cannot serve everyone at
    all.
    """

    cost: float | None
    """The objective of its plan; null where it has none."""
    latency_s: float | None
    """Mean latency over the users, weighted [s]; null where it has no plan."""
    loss: float | None
    """Mean accuracy lost over the users, weighted, 0 to 1; null where it has no plan."""
    feasible: bool
    """Whether it keeps every deadline and loss limit; if not, its numbers are those without limits.
    """


class MultiUserBaselines(Body):
    """The baselines, on the same cell."""

    alternating: MultiUserBaseline
    """From equal shares on, best cuts and best shares by turns, until nothing changes."""
    equal_share: MultiUserBaseline
    """Everybody has the same share of uplink and server, and the best cut for it."""
    device_only: MultiUserBaseline
    """Everybody runs all layers on its device."""
    edge_only: MultiUserBaseline
    """Everybody sends its input, and the server runs all layers."""
    latency_only: MultiUserBaseline
    """The best plan for latency alone, whatever accuracy it loses."""
    greedy: MultiUserBaseline
    """Everybody takes the cut that would be best if it were alone; then the shares are made the
    best for these cuts."""


class MultiUserSteadiness(Body):
    """What holding on to the parent costs, against the best plan of the same request that is free
    to change all.
    """

    switches: Count
    """Users who leave the cut and bits of the parent, as far as their device still has them."""
    free_switches: Count | None
    """Those who leave them in the free plan; null where time ran out before there was one."""
    cost: float | None
    """By how much the objective is above that of the free plan."""
    cost_at_most: float | None
    """By how much it is above what no plan at all can undercut."""


class MultiUserPlanResult(Body):
    """A plan that was checked."""

    objective: MultiUserObjective
    """What was minimised, over all users."""
    users: list[MultiUserUserResult] | None = absent()
    """What each user should do, in the order of the request; absent where they are more than
    1,000."""
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    cut_counts: dict[str, Count]
    """Users per cut, `model/cut name`."""
    certificate: MultiUserCertificate
    """The proof: bound, gap and check."""
    utilisation: MultiUserUtilisation
    """How much of uplink and server the users' shares add up to."""
    baselines: MultiUserBaselines
    """What each of the simpler rules would make of the same cell."""
    admission: Annotated[PlanAdmission | None, ADMISSION] = absent()
    steadiness: MultiUserSteadiness | None = absent()
    """With `max_switches` of a re-plan."""


class MultiUserInfeasibleUser(Body):
    """A user who fails even with the whole uplink and the whole server."""

    id: UserOfPlan
    least_deadline_s: float
    """The least deadline that it could keep alone [s], rounded up by a millionth, so that it
    can be asked for."""


class MultiUserLeastBudgets(Body):
    """Proven: with less of this one, nothing else changed, there is no plan; null where no amount
    is enough.
    """

    bandwidth_hz: float | None
    """Uplink below which there is no plan [Hz]."""
    server_flop_per_s: float | None
    """Capacity of the server below which there is none [FLOP/s]."""
    budget_factor: float | None
    """Common factor on both below which there is none."""
    switches: Count | None = absent()
    """Of a re-plan with `max_switches`."""


class MultiUserInfeasible(Body):
    """Why there is no plan, and what would mend the whole cell, everything else as it is.

    A remedy that is null while its `proven_at_least` is a number was not found. Where both are null
    no amount helps if the plan's method is `exact` (proven); other rules are not asked for
    remedies.
    """

    proven: bool
    """Whether it is certain that no plan exists: rules other than `exact` never prove that of a
    whole cell, nor does running late."""
    users: list[MultiUserInfeasibleUser] | None = absent()
    """Who fails even alone; where none is listed, the budgets are short together or too many must
    switch.
    """
    users_url: Annotated[str | None, USERS_URL] = absent()
    users_failing: Count | None = absent()
    """How many users fail even alone; absent in plans of earlier releases."""
    conflicts: Annotated[list[PlanConflict] | None, CONFLICTS] = absent()
    least_total_bandwidth_hz: float | None
    """An uplink that suffices with this server [Hz], rounded up by a millionth like all amounts
    here."""
    least_server_flop_per_s: float | None
    """A capacity that suffices with this uplink [FLOP/s], if all times on the server shrink
    with it, also those of a timing."""
    least_budget_factor: float | None
    """A common factor on both that suffices."""
    proven_at_least: MultiUserLeastBudgets
    """What each of these remedies needs at least."""
    least_switches: Count | None = absent()
    """With `max_switches` of a re-plan: a limit that suffices for the whole cell; null where no
    number does.
    """


class MultiUserPlan(PlanBase):
    """A plan of the multi-user family."""

    kind: Annotated[Literal["multi-user"], FAMILY]
    options: Annotated[MultiUserOptions, OPTIONS]
    result: Annotated[MultiUserPlanResult | None, RESULT]
    infeasible: Annotated[MultiUserInfeasible | None, INFEASIBLE] = absent()


class AdaptiveUserResult(RunsOnDevice):
    """What one device carries."""

    id: UserOfPlan
    frequency_hz: Clock
    hysteresis: float
    """Part of its cost that another row must save before the device changes to it, as
    `options.hysteresis` says."""
    least_rate_bps: float | None
    """From this uplink rate on something keeps the limits [bit/s]; null: nothing does at any
    rate."""
    table: RateTable
    """The best cut and bits at every rate of the uplink, with the whole server for this device."""


class AdaptiveCertificate(Body):
    """Every table was compared with every allowed option at both ends of every row: between them
    costs are straight.
    """

    status: Literal["optimal"]
    """Always `optimal`: every row is the best option throughout."""
    holds: bool
    """No row was found where another allowed option is better beyond rounding."""
    excess: float
    """The largest relative excess over the best option that was seen: rounding."""


class AdaptivePlanResult(Body):
    """Tables that were checked."""

    users: list[AdaptiveUserResult] | None = absent()
    """The table of each user, in the order of the request; absent where they are more than
    1,000."""
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    certificate: AdaptiveCertificate
    """What the comparison of all tables with all options found."""
    unserved: Count
    """Users for whom nothing keeps the limits at any rate."""


class AdaptivePlan(PlanBase):
    """Decision tables."""

    kind: Annotated[Literal["adaptive"], FAMILY]
    options: Annotated[AdaptiveOptions, OPTIONS]
    result: Annotated[AdaptivePlanResult | None, RESULT]
