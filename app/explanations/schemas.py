"""Explanations as JSON."""

from typing import Literal

from app.plans.documents import PlanKind
from app.plans.schemas import PlanId
from app.quantities import Body, Count, absent

Unit = Literal["J", "W", "cost"]
Binding = Literal["memory", "loss", "clock", "rate", "margin", "stage", "server", "time", "outage"]
Quantity = Literal[
    "gain_db",
    "spectral_efficiency_bps_per_hz",
    "mean_snr_db",
    "deadline_s",
    "bandwidth_price_j_per_hz",
    "bandwidth_price_w_per_hz",
    "bandwidth_price",
    "server_price",
    "energy_per_j",
    "inferences_per_update",
]


class ExplainedServerPrice(Body):
    """What a second of a server costs who uses it."""

    server: str
    """The server, as `name@revision`."""
    price_j_per_s: float
    """What one more second of it per second would save [J/s], or in plans of streams [W]."""


class ExplainedPrices(Body):
    """What the user pays for what it shares with others; what does not apply is absent."""

    bandwidth_price_j_per_hz: float | None = absent()
    """Of a hertz of the cell's uplink [J/Hz]."""
    bandwidth_price_w_per_hz: float | None = absent()
    """The same of streams, in power [W/Hz]."""
    bandwidth_price: float | None = absent()
    """Of a hertz [cost/Hz]."""
    server_price: float | None = absent()
    """Of a FLOP/s of the server [cost/(FLOP/s)]."""
    servers: list[ExplainedServerPrice] | None = absent()
    """Of the servers that have a budget."""


class Threshold(Body):
    """A value at which the cut would be the cheapest, all else as it is."""

    quantity: Quantity
    """What would have to change. A price is what others would have to make of it."""
    direction: Literal["higher", "lower"]
    """Whether it would have to be more, or less, than it is."""
    now: float
    """What it is, in the unit of its name."""
    wins_at: float
    """Nearest value found at which the cut was seen to win."""
    loses_at: float
    """The value beside it at which it was seen not to."""


class Interval(Body):
    """Proven ends of a number; null where an end is not known."""

    at_least: float | None
    """It is no less."""
    at_most: float | None
    """It is no more."""


class ExplainedCut(Body):
    """A cut, by the cheapest way to take it; what does not apply is absent."""

    cut: Count
    """Index of the cut; the layers placed, of stopping plans."""
    cut_name: str
    """What the model calls it."""
    codec: str | None = absent()
    """What its tensor is sent in."""
    bits: Count | None = absent()
    """Of each number that is sent."""
    server: str | None = absent()
    """Who does the rest."""
    tier: str | None = absent()
    """The server behind that one that does the last layers."""
    ways: Count
    """So many options take this cut: codecs, levels of the clock, servers."""
    feasible: bool
    """Whether the user could take it, were it alone."""
    binding: Binding | None
    """What stops it: `memory`, `loss` of accuracy, the `clock` (late on average with no time on the
    uplink), the `rate` (late over the whole uplink), the `margin` that the risk asks for, the
    `stage` (device or uplink cannot keep up), a `server` without room, `time` (late on average with
    both whole budgets), or `outage` (the channel is never up)."""
    short_by_s: float | None
    """What it lacks of the deadline, or of the period [s]; null where it lacks none, or no time
    would help."""
    chosen: bool
    """Whether the plan takes it."""
    wins: bool
    """Whether it is the cheapest at these prices. That is not the one that the plan takes where a
    cell of few users cannot be shared out as the price says: its gap."""
    price_cost: float | None
    """What it costs with what it takes of shared things, at their prices [unit]; null where it is
    not feasible."""
    dearer_by: float | None
    """What that is more than the cheapest other cut; below 0 for the one that wins."""
    cell_more: Interval | None = absent()
    """What the best plan in which the user takes this cut spends more than this plan [unit], all
    users counted; absent where it is not looked for."""
    beside_others: bool | None = absent()
    """Whether the cell has a plan with it; absent where that is not known."""
    own_cost: float | None = absent()
    """The same without what is shared [unit]."""
    energy_j: float | None = absent()
    """Energy of an inference [J]."""
    latency_s: float | None = absent()
    """Mean time of an inference [s]."""
    bound_s: float | None = absent()
    """The time with its margin, which the deadline is held against [s]."""
    frequency_hz: float | None = absent()
    """Clock of the device [Hz]."""
    bandwidth_hz: float | None = absent()
    """What it would take of the uplink at its price [Hz]."""
    least_bandwidth_hz: float | None = absent()
    """What it needs at least to keep the limits [Hz]; null where the whole uplink does not do."""
    server_share: float | None = absent()
    """What it would take of the server at its price."""
    loss: float | None = absent()
    """Accuracy lost to what is sent."""
    running_cost: float | None = absent()
    """Expected cost of running an inference [cost]."""
    placement_cost: float | None = absent()
    """Cost of placing the layers, per inference [cost]."""
    wins_if: list[Threshold]
    """What would have to change for it to win: nearest values below and above, of one quantity at a
    time. A value that is missing was not found within the range that was searched."""
    sentence: str
    """The same in words."""


class DeadlineChange(Body):
    """What the cell would spend more with another deadline of this user."""

    deadline_s: float
    """The other deadline [s]."""
    change: Interval
    """What the best plan would spend more than this one does [unit]."""


class Sensitivity(Body):
    """What the cell owes to this user."""

    spent: float
    """What the plan spends on this user alone [unit]."""
    saved_without: Interval
    """What the cell would spend less, planned anew without this user [unit]."""
    proof: Literal["exact", "solved", "lagrangian", "none"]
    """Where these ends come from: users who share nothing (`exact`), the others planned anew
    (`solved`, in cells of up to 32 users), the price's bound (`lagrangian`, of up to 20,000), or
    only that the others could go on as they do (`none`)."""
    per_deadline: Interval | None = absent()
    """D(spent)/d(deadline) at the prices and the cut that is taken, between the slopes to both
    sides [unit/s]; the first is null where a tighter deadline rules the cut out."""
    deadlines: list[DeadlineChange] | None = absent()
    """What a tenth less and more of the deadline would change."""


class Explanation(Body):
    """Why a user has the cut it has."""

    plan: PlanId
    """The plan that is explained; nothing is planned anew or stored."""
    kind: PlanKind
    """Of the plan."""
    user: str
    """The user's id."""
    cell: str | None = absent()
    """Where it is, if the plan has cells."""
    unit: Unit
    """Of what is least: energy [J], power of streams [W], or a cost."""
    prices: ExplainedPrices
    """What is shared, and what it costs."""
    summary: list[str]
    """The answer in sentences."""
    cuts: list[ExplainedCut]
    """Every cut of the network, in its order."""
    sensitivity: Sensitivity
    """What the cell owes to this user."""
