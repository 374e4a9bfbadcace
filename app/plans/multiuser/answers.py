"""What the multi-user family answers, as JSON: tables, joint plans, cells without a plan."""

from typing import Literal

from app.plans.carried import NamedPartition, RunsOnDevice, SplitNetwork, SplitTable
from app.plans.multiuser.schemas import AdaptiveOptions, MultiUserOptions
from app.plans.schemas import PlanBase
from app.quantities import Body, Count, Fraction, NonNegative, absent


class RateTableRow(NamedPartition):
    """What to run while the rate is in [rate_from_bps, rate_to_bps)."""

    rate_from_bps: NonNegative
    rate_to_bps: float | None
    """null: without end."""
    cut: Count | None
    """null: nothing keeps the limits at these rates."""
    cut_name: str | None
    bits: Count | None
    codec: str | None = absent()
    """What crosses the cut is coded with; left out where nothing codes it."""
    cost_from: float | None
    """Cost at rate_from_bps; null where something would have to be sent at rate 0."""
    cost_to: float | None
    fixed_cost: float | None
    """The part of the cost that the rate does not change."""
    cost_per_inverse_rate: float | None
    """cost = fixed_cost + cost_per_inverse_rate / rate_bps"""
    late_below_bps: float | None
    """The least rate at which this row's cut keeps the deadline, for a device that stays with it.
    """
    pinned: Literal[True] | None = absent()
    """This row holds the planned rate and names the plan's cut, though another would be cheaper for
    this device.
    """


class RateTable(SplitTable):
    """A decision table as a device stores it."""

    schema_version: Literal[1]
    rows: list[RateTableRow]


class MultiUserLatency(Body):
    """Mean delay of one inference and its parts."""

    mean_s: float
    device_s: float
    uplink_s: float
    network_s: float
    server_s: float


class MultiUserUserResult(RunsOnDevice, SplitNetwork):
    """What one device should do, and what it gets."""

    id: str
    cut: Count
    cut_name: str
    bits: Count
    """Per element of what crosses, with a codec on average; 32 where the model does not count its
    elements."""
    codec: str | None = absent()
    """What crosses the cut is coded with; left out where nothing codes it."""
    sent_byte: float
    """What crosses the cut, in bytes; of a codec the most it sends where there is a deadline, else
    what it sends on average."""
    frequency_hz: float
    bandwidth_hz: float
    bandwidth_share: Fraction
    rate_bps: float
    server_share: Fraction
    server_flop_per_s: float
    """server_share × the server's capacity."""
    latency: MultiUserLatency
    loss: float
    cost: float
    """This user's part of the objective."""
    deadline_s: float | None
    slack_s: float | None
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
    """Mean over the users, weighted."""
    loss: float
    """Mean over the users, weighted."""


class MultiUserCertificate(Body):
    """The proof: a lower bound on every possible plan, and an independent check of this one."""

    status: Literal["optimal", "feasible"]
    """`optimal`: no plan is better by more than the relative gap asked for."""
    lower_bound: float | None
    """null for every method but `exact`."""
    gap: float | None
    holds: bool
    """Every constraint was recomputed from request and decision by code with formulas of its own.
    """
    bandwidth_price: float | None
    """What one more hertz would take off the objective at the chosen cuts; null for equal_share."""
    server_price: float | None
    """What one more FLOP/s would take off the objective at the chosen cuts; null for equal_share.
    """


class MultiUserUtilisation(Body):
    """How much of both budgets is given out."""

    bandwidth_hz: float
    bandwidth_share: Fraction
    server_flop_per_s: float
    server_share: Fraction


class MultiUserBaseline(Body):
    """What a simpler rule would make of the same cell: null where it cannot serve everyone at
    all.
    """

    cost: float | None
    latency_s: float | None
    loss: float | None
    feasible: bool
    """Whether it keeps every deadline and loss limit; if not, its numbers are those without limits.
    """


class MultiUserBaselines(Body):
    """The baselines, on the same cell."""

    alternating: MultiUserBaseline
    equal_share: MultiUserBaseline
    device_only: MultiUserBaseline
    edge_only: MultiUserBaseline
    latency_only: MultiUserBaseline
    greedy: MultiUserBaseline


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
    users: list[MultiUserUserResult] | None = absent()
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    cut_counts: dict[str, Count]
    """Users per cut, `model/cut name`."""
    certificate: MultiUserCertificate
    utilisation: MultiUserUtilisation
    baselines: MultiUserBaselines
    steadiness: MultiUserSteadiness | None = absent()
    """With `max_switches` of a re-plan."""


class MultiUserInfeasibleUser(Body):
    """A user who fails even with the whole uplink and the whole server."""

    id: str
    least_deadline_s: float
    """Rounded up by a millionth, so that it can be asked for."""


class MultiUserLeastBudgets(Body):
    """Proven: with less of this one, nothing else changed, there is no plan; null where no amount
    is enough.
    """

    bandwidth_hz: float | None
    server_flop_per_s: float | None
    budget_factor: float | None
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
    users_url: str | None = absent()
    least_total_bandwidth_hz: float | None
    """An uplink that suffices with this server, rounded up by a millionth like all amounts here."""
    least_server_flop_per_s: float | None
    """A capacity that suffices with this uplink, if all times on the server shrink with it, also
    those of a timing.
    """
    least_budget_factor: float | None
    """A common factor on both that suffices."""
    proven_at_least: MultiUserLeastBudgets
    least_switches: Count | None = absent()
    """With `max_switches` of a re-plan: a limit that suffices for the whole cell; null where no
    number does.
    """


class MultiUserPlan(PlanBase):
    """A plan of the multi-user family."""

    kind: Literal["multi-user"]
    options: MultiUserOptions
    """As they took effect."""
    result: MultiUserPlanResult | None
    infeasible: MultiUserInfeasible | None = absent()


class AdaptiveUserResult(RunsOnDevice):
    """What one device carries."""

    id: str
    frequency_hz: float
    hysteresis: float
    least_rate_bps: float | None
    """From this rate on something keeps the limits; null: nothing does at any rate."""
    table: RateTable


class AdaptiveCertificate(Body):
    """Every table was compared with every allowed option at both ends of every row: between them
    costs are straight.
    """

    status: Literal["optimal"]
    holds: bool
    excess: float
    """The largest relative excess over the best option that was seen: rounding."""


class AdaptivePlanResult(Body):
    """Tables that were checked."""

    users: list[AdaptiveUserResult] | None = absent()
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    certificate: AdaptiveCertificate
    unserved: Count
    """Users for whom nothing keeps the limits at any rate."""


class AdaptivePlan(PlanBase):
    """Decision tables."""

    kind: Literal["adaptive"]
    options: AdaptiveOptions
    """As they took effect."""
    result: AdaptivePlanResult | None
