"""The robust family as JSON."""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.plans.schemas import GainDb, PlanBase, Request, SnrReference, UserId
from app.profiles.schemas.references import ChannelRef, DeviceRef, ModelRef, ServerRef, TimingRef
from app.quantities import Body, Count, NonNegative, Positive, Probability, absent

Margin = Literal["cantelli", "gaussian", "mean", "worst_case"]

EXAMPLE: dict[str, Any] = {
    "name": "lobby-cameras",
    "channel": "lte-10mhz",
    "server": "nvidia-t4",
    "users": [
        {
            "id": "camera-1",
            "device": "jetson-xavier-nx-cpu",
            "model": "alexnet",
            "distance_m": 120.0,
            "deadline_s": 0.2,
            "risk": 0.02,
        },
        {
            "id": "camera-2",
            "device": "jetson-xavier-nx-cpu",
            "model": "alexnet",
            "distance_m": 60.0,
            "deadline_s": 0.2,
            "risk": 0.02,
        },
    ],
}


CELLS_EXAMPLE: dict[str, Any] = {
    "server": "nvidia-t4",
    "cells": [
        {"id": "hall", "channel": "lte-10mhz"},
        {"id": "yard", "channel": "lte-20mhz", "bandwidth_hz": 5e6},
    ],
    "users": [
        user | {"cell": cell} for user, cell in zip(EXAMPLE["users"], ("hall", "yard"), strict=True)
    ],
}

# The plan names every cell in its answer; cells do not touch each other, so more of them are more
# requests.
_MOST_CELLS = 1000
# The convex programs of the reference method grow with its users, and cannot be interrupted.
PCCP_USERS = 200


class RobustUser(Body):
    """A device that runs one network before a deadline, again and again."""

    id: UserId
    cell: UserId | None = absent()
    """Where it is; required if the request lists cells."""
    device: DeviceRef
    model: ModelRef
    device_timing: TimingRef | None = absent()
    """Default: the stored timing of this device with this model."""
    server_timing: TimingRef | None = absent()
    """Default: the stored timing of the server with this model, else remaining flop over the
    server's capacity.
    """
    gain_db: GainDb | None = absent()
    """Mean channel power gain; one of gain_db, distance_m, snr_reference is required."""
    distance_m: Positive | None = absent()
    """Distance to the base station; needs the channel's path_loss."""
    snr_reference: SnrReference | None = absent()
    tx_power_w: Positive | None = absent()
    """Default: the device's."""
    deadline_s: Positive
    risk: Probability
    """Accepted probability of missing the deadline."""
    correlation: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1.0, le=1.0)] = 0.0
    """Of device and server time."""


class RobustOptions(Body):
    """How to plan."""

    method: Literal["exact", "pccp"] = "exact"
    """`exact` proves its plan; `pccp` is the alternation of arXiv 2503.21476, a reference for free
    clocks: slower, never better, and certified with the bound that `exact` proves."""
    margin: Margin = "cantelli"
    """`cantelli` holds for every distribution with the given mean and variance; `gaussian` only for
    normal times.
    """
    gap: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-9, le=1.0)] = 1e-6
    """Relative distance to the lower bound at which a plan counts as optimal."""
    time_limit_s: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0.0, le=3600.0)] = (
        60.0
    )
    """Of all cells together.

    A first plan is always found; what would better it, or prove more, ends with the time.
    """
    seed: Annotated[Count, Field(le=2**32 - 1)] = 0
    baselines: bool | None = absent()
    """Compare with simpler rules, as far as the time limit leaves time; default: up to 10,000
    users. Asked for, they are planned to the plan's own gap. By default a rule with many cuts and
    clocks to choose from is not searched to the end, and its `lower_bound_j` says what is left
    open."""
    explain: bool = False
    """Say of every cut of every user why it is not taken (`alternatives`)."""


class RobustCell(Body):
    """A mast with an uplink of its own; what it does not say is what the request says."""

    id: UserId
    channel: ChannelRef | None = absent()
    bandwidth_hz: Positive | None = absent()
    """Uplink to share; default: the request's, else the channel's."""
    server: ServerRef | None = absent()


class RobustTerms(Request):
    """A request but for its users."""

    channel: ChannelRef | None = absent()
    """Required unless every cell has its own."""
    bandwidth_hz: Positive | None = absent()
    """Uplink to share, of every cell that does not say its own; default: the channel's."""
    server: ServerRef | None = absent()
    """Required unless every cell has its own."""
    cells: Annotated[tuple[RobustCell, ...], Field(min_length=1, max_length=_MOST_CELLS)] | None = (
        absent()
    )
    """Several cells, planned together: nothing is shared between them. Users then say theirs."""
    options: RobustOptions = RobustOptions()

    def faults_of_cells(self) -> Iterator[FieldError]:
        """What is wrong with the cells, whoever is in them."""
        if self.cells is None:
            for name in ("channel", "server"):
                if getattr(self, name) is None:
                    yield FieldError(
                        f"/{name}", f"say which {name} the users share, or give every cell its own"
                    )
            return
        seen: dict[str, int] = {}
        for c, cell in enumerate(self.cells):
            if cell.id in seen:
                yield FieldError(
                    f"/cells/{c}/id", f"is the id of cell {seen[cell.id]} too: ids must differ"
                )
            seen.setdefault(cell.id, c)
            for name in ("channel", "server"):
                if getattr(cell, name) is None and getattr(self, name) is None:
                    yield FieldError(
                        f"/cells/{c}/{name}",
                        f"say the {name} of this cell, or one for all at /{name}",
                    )

    def faults_of_user(self, where: str, user: RobustUser) -> Iterator[FieldError]:
        """What is wrong with a user in this request, whoever the others are."""
        cells = self.cell_positions
        if user.cell is None and cells:
            yield FieldError(f"{where}/cell", "say which of the request's cells it is in")
        elif user.cell is not None and user.cell not in cells:
            mend = (
                f"there is no cell {user.cell!r}"
                if cells
                else "the request lists no cells: leave it out"
            )
            yield FieldError(f"{where}/cell", mend)
        given = [
            f for f in ("gain_db", "distance_m", "snr_reference") if getattr(user, f) is not None
        ]
        if not given:
            yield FieldError(
                where, "say how good the channel is: gain_db, distance_m or snr_reference"
            )
        elif len(given) > 1:
            yield FieldError(f"{where}/{given[1]}", f"{given[0]} says it already: give one of them")
        if self.options.margin == "gaussian" and user.risk > 0.5:
            yield FieldError(f"{where}/risk", "must be at most 0.5 with the gaussian margin")

    @cached_property
    def cell_positions(self) -> dict[str, int]:
        """Where each cell is in the list; none where there is no list."""
        return {cell.id: c for c, cell in enumerate(self.cells or ())}


class RobustRequest(RobustTerms):
    """Plan cut, clock and bandwidth of every user of one or several cells at least energy."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE, CELLS_EXAMPLE]})

    users: Annotated[tuple[RobustUser, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self._faults()):
            raise PydanticCustomError(
                "semantics", "the content does not hold together", {"faults": faults}
            )
        return self

    def _faults(self) -> Iterator[FieldError]:
        yield from self.faults_of_cells()
        seen: dict[str, int] = {}
        for n, user in enumerate(self.users):
            if user.id in seen:
                yield FieldError(
                    f"/users/{n}/id", f"is the id of user {seen[user.id]} too: ids must differ"
                )
            seen.setdefault(user.id, n)
            yield from self.faults_of_user(f"/users/{n}", user)


class Latency(Body):
    """Delay of one inference: its parts are means; `bound_s` = mean + margin is what meets the
    deadline.
    """

    mean_s: float
    std_s: float
    bound_s: float
    device_s: float
    uplink_s: float
    network_s: float
    server_s: float


class Alternative(Body):
    """A cut, and what speaks against it."""

    cut: Count
    cut_name: str
    cell_energy_at_least_j: float | None
    """Proven: no plan of its cell in which this user takes this cut spends less; null where there
    is no such plan.
    """
    binding: Literal["clock", "rate", "margin", "memory"] | None
    """What stops the cut even if the user had the whole uplink."""
    short_by_s: float | None
    """What the cut lacks then; null where nothing stops it so, or memory does."""
    short_by_hz: float | None
    """What the cut lacks of the uplink beside the others' least shares, where that alone leaves no
    plan; else null.
    """


class RobustUserResult(Body):
    """What one device should do."""

    id: str
    cell: str | None = absent()
    cut: Count
    cut_name: str
    frequency_hz: float
    bandwidth_hz: NonNegative
    bandwidth_share: float
    """Of its cell's uplink, in [0, 1]."""
    rate_bps: float
    energy_j: float
    compute_energy_j: float
    radio_energy_j: float
    latency: Latency
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
    alternatives: list[Alternative] | None = absent()
    """Why not another cut: all cuts in order, the one taken among them; with `options.explain`."""


class Energy(Body):
    """An objective."""

    energy_j: float


class BaselineResult(Body):
    """What a simpler rule would spend; null where it cannot keep the deadlines."""

    energy_j: float | None
    """Of the best plan by this rule that was found; never more than that of the plan itself where
    it keeps the rule.
    """
    lower_bound_j: float | None
    """Proven: no plan by this rule spends less."""
    gap: float | None
    """Relative distance of the two; up to the gap asked for they count as equal."""
    feasible: bool


class MeanOnlyResult(Body):
    """What planning with means alone would spend, and how late it could be."""

    energy_j: float | None
    """Of the best plan that was found; never more than that of the plan itself."""
    lower_bound_j: float | None
    """Proven: no plan with means alone spends less."""
    gap: float | None
    """Relative distance of the two; up to the gap asked for they count as equal."""
    violation_bound_max: float | None


class BaselineResults(Body):
    """The baselines, on the same cell."""

    device_only: BaselineResult
    edge_only: BaselineResult
    equal_share: BaselineResult
    mean_only: MeanOnlyResult


class RobustCertificate(Body):
    """The proof: a lower bound on every possible plan, and an independent check of this one."""

    status: Literal["optimal", "feasible"]
    """`optimal`: no plan is better by more than the relative gap asked for."""
    lower_bound_j: float
    checked_lower_bound_j: float = 0.0
    """What the check proves by itself [J], with formulas and a search of its own: no plan spends
    less.

    Within the gap asked for in cells of up to 50 users, nearly always; in larger ones the dual's
    bound, which may leave more. 0 in plans made before the check had a bound.
    """
    gap: float
    holds: bool
    """Every constraint was recomputed from request and decision by code with formulas of its own.
    """
    bandwidth_price_j_per_hz: float | None
    """What one more hertz would save at the chosen cuts; null for several cells, each of which has
    its own.
    """
    bandwidth_used_hz: float


class CellResult(Body):
    """A cell of a plan."""

    id: str
    users_count: Count
    bandwidth_hz: float
    objective: Energy
    certificate: RobustCertificate


class RobustResult(Body):
    """A plan that was checked; of several cells, the sum of their plans."""

    objective: Energy
    users: list[RobustUserResult] | None = absent()
    users_url: str | None = absent()
    """Where the users are when there are more than 1,000."""
    cut_counts: dict[str, Count]
    """Users per cut, `model/cut name`."""
    certificate: RobustCertificate
    """Of several cells: optimal if each is, with the sum of their bounds."""
    cells: list[CellResult] | None = absent()
    """The cells with users, in the order of the request; where it lists any."""
    baselines: BaselineResults | None
    """Null where there was no time to compare, or it was not asked for."""


class Reason(Body):
    """Why a cut does not work for a user, with the whole uplink and the largest clock."""

    cut: Count
    binding: Literal["clock", "rate", "margin", "memory"]
    short_by_s: float | None


class InfeasibleUser(Body):
    """A user who fails even alone, and the least change of each kind that would help; null: none
    would.

    With exactly that the user alone has a plan, with less, by 1e-9 of the number, none. For all of
    them: `together`."""

    id: str
    cell: str | None = absent()
    reasons: list[Reason]
    least_deadline_s: float | None
    least_risk: float | None
    least_bandwidth_hz: float | None


class Together(Body):
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


class InfeasibleCell(Body):
    """A cell without a plan."""

    id: str
    bandwidth_hz: float
    """What it has."""
    users_failing: Count
    """Users who fail even alone; 0: the cell is over-subscribed."""
    least_total_bandwidth_hz: float | None
    least_deadline_factor: float | None
    together: Together


class RobustInfeasible(Body):
    """Why there is no plan.

    No user of a cell listed: each works alone, but the cell is over-subscribed.
    """

    users: list[InfeasibleUser] | None = absent()
    users_url: str | None = absent()
    least_total_bandwidth_hz: float | None
    """The sum of what the users need at least; null where some user cannot be helped by bandwidth.
    Null too where the request lists several cells: see them."""
    least_deadline_factor: float | None
    """The least factor on all deadlines that makes room for everyone; null unless the cell is
    over-subscribed.
    """
    together: Together | None
    """What helps the whole cell, also where users fail alone; null where the request lists several
    cells: see them.
    """
    cells: list[InfeasibleCell] | None = absent()
    """The cells that have no plan, where the request lists any: the others would have one."""


class RobustPlan(PlanBase):
    """A plan of the robust family."""

    kind: Literal["robust"]
    options: RobustOptions
    """As they took effect."""
    result: RobustResult | None
    infeasible: RobustInfeasible | None = absent()
