"""The plan of every user, filled in block by block."""

from dataclasses import fields

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.stopping.channel import GainTrace, Markov, RateTrace
from solvers.stopping.decision import Baselines, Decision, Energy, Infeasibility, Offer
from solvers.stopping.problem import FREE, Problem, Rule, Waiting
from solvers.stopping.solve.clairvoyant import independent_bound, markov_bound
from solvers.stopping.solve.costs import Costs, costs
from solvers.stopping.solve.independent import Stopping
from solvers.stopping.solve.kernel import Kernel, kernel_of
from solvers.stopping.solve.look import look_at
from solvers.stopping.solve.markov import MarkovStopping
from solvers.stopping.solve.table import Table

TIE = 1e-12  # totals closer than this are equal, and the smaller placement is taken
NO_ROOM, NEVER_UP = 1, 2
REASON = {NO_ROOM: "memory", NEVER_UP: "outage"}
OFFERS = ("device_only", "edge_only", "best_fixed", "look_ahead", "optimum")


class Plan:
    """A decision in the making; blocks of users write disjoint rows, so threads may fill it side by
    side.
    """

    def __init__(self, problem: Problem) -> None:
        users, cuts = problem.users, int(problem.workloads.layers.max()) + 1
        self.problem = problem
        self.unserved = np.zeros(users, dtype=np.int64)
        self.placement = np.zeros(users, dtype=np.int64)
        self.placement_bit, self.placement_cost, self.running_cost, self.time_s, self.energy_j = (
            np.zeros((5, users))
        )
        self.parts = {field.name: np.zeros(users) for field in fields(Energy)}
        self.optimal = np.zeros(users, dtype=bool)
        self.curve = np.full((users, cuts), np.nan)
        self.threshold_bps = np.full((users, cuts), np.inf)
        self.wait = np.zeros((users, cuts), dtype=bool)
        self.stop_probability = np.zeros((users, cuts))
        states = problem.law.rate_bps.size if isinstance(problem.law, Markov) else 0
        self.stop_states, self.wait_states = np.zeros((2, users, cuts, states), dtype=bool)
        self.offered_at = {name: np.zeros(users, dtype=np.int64) for name in OFFERS}
        self.offers = {name: np.full((2, users), np.nan) for name in OFFERS}
        self.look_ahead_same_placement, self.clairvoyant = np.full((2, users), np.nan)

    def fill(self, workload: int, users: Integers, *, late: bool) -> None:
        """Plan these users of a workload; by look-ahead alone where it is late."""
        # Infinite thresholds and costs are answers here: eta may be 0, and a channel never up.
        with np.errstate(divide="ignore", over="ignore"):
            self._fill(workload, users, late=late)

    def _fill(self, workload: int, users: Integers, *, late: bool) -> None:
        cost = costs(self.problem, workload, users)
        stopping = self._stopping(cost, users)
        place = self.problem.placement_cost(users, workload).T
        fits, allowed = self._possible(workload, users)

        look_running, running = stopping.curves(late=late)
        by_look = late or self.problem.rule is Rule.ONE_STAGE_LOOK_AHEAD
        curve = look_running if by_look else running
        chosen, total = cheapest(curve + place, allowed)
        self.unserved[users] = np.where(
            np.isfinite(total), 0, np.where(allowed.any(axis=0), NEVER_UP, NO_ROOM)
        )
        if self.unserved[users].any():
            return

        self._place(workload, users, chosen, place, curve)
        self.optimal[users] = not by_look
        each = np.arange(len(users))
        self._carry(users, workload, stopping.table(chosen, by_look=by_look))
        self._offer_fixed(users, stopping.fixed, place, fits)
        by_rule = {"look_ahead": look_running} | ({} if late else {"optimum": running})
        for name, rule in by_rule.items():
            self._offer(name, users, cheapest(rule + place, allowed)[0], rule, place, allowed)
        self.look_ahead_same_placement[users] = look_running[chosen, each]
        if self.problem.clairvoyant:
            # Who sees the path in advance costs no more than this rule: what the quadrature says
            # beyond is error.
            self.clairvoyant[users] = np.minimum(
                self._bound(stopping, cost, chosen), curve[chosen, each]
            )

    def totals(self, workload: int, users: Integers) -> tuple[Floats, Floats]:
        """Running and placement cost of every placement of these users of a workload, (cuts,
        users), by the problem's rule; the first is infinite where a placement is not possible.
        """
        with np.errstate(divide="ignore", over="ignore"):
            stopping = self._stopping(costs(self.problem, workload, users), users)
            look, running = stopping.curves(late=False)
        curve = look if self.problem.rule is Rule.ONE_STAGE_LOOK_AHEAD else running
        _, allowed = self._possible(workload, users)
        placing = self.problem.placement_cost(users, workload).T
        return np.where(allowed, curve, np.inf), placing

    def _stopping(self, cost: Costs, users: Integers) -> Stopping | MarkovStopping | Kernel:
        """When to stop on this channel."""
        problem = self.problem
        if isinstance(problem.law, Markov):
            return MarkovStopping(cost, problem)
        mean_snr = np.ones(len(users)) if problem.mean_snr is None else problem.mean_snr[users]
        channel = look_at(problem, mean_snr)
        kernel = kernel_of(cost, channel, problem.waiting)
        return kernel or Stopping(cost, channel, problem.waiting)

    def _possible(self, workload: int, users: Integers) -> tuple[Booleans, Booleans]:
        """(cuts, users): placements that fit in memory, and those of them that are asked for."""
        problem = self.problem
        fits = problem.fits_memory(users, workload).T
        if problem.placement is None:
            return fits, fits
        asked, cut = problem.placement[users], np.arange(len(fits))[:, None]
        return fits, fits & ((asked == FREE) | (asked == cut))

    def _place(
        self, workload: int, users: Integers, chosen: Integers, place: Floats, curve: Floats
    ) -> None:
        """Write the chosen placements, what they cost, and what all would cost to run."""
        work, each = self.problem.workloads, np.arange(len(users))
        self.placement[users] = chosen
        self.placement_bit[users] = work.parameter_bit[work.cuts(workload)][chosen]
        self.placement_cost[users] = place[chosen, each]
        self.running_cost[users] = curve[chosen, each]
        self.curve[users, slice(0, len(curve))] = curve.T

    def _carry(self, users: Integers, workload: int, table: Table) -> None:
        """Write the tables, and the times and energies they lead to."""
        width = slice(0, len(table.wait))
        if table.stop_states is not None and table.wait_states is not None:
            self.stop_states[users, width] = table.stop_states.swapaxes(0, 1)
            self.wait_states[users, width] = table.wait_states.swapaxes(0, 1)
        self.threshold_bps[users, width] = table.threshold_bps.T
        self.wait[users, width] = table.wait.T
        # Rounding leaves it by a hair.
        self.stop_probability[users, width] = np.clip(table.ends.T, 0.0, 1.0)
        self._spend(users, workload, table.ends, table.waits, table.sending)

    def _spend(
        self, users: Integers, workload: int, ends: Floats, waits: Floats, sending: Floats
    ) -> None:
        """Write the times and energies that ends, waits and E[1/R; ends] at each cut lead to."""
        problem, work = self.problem, self.problem.workloads
        rows = work.cuts(workload)
        waited_s = waits.sum(axis=0) * problem.coherence_time_s
        sent_s = work.crossing_bit[rows] @ sending
        server_s = work.server_s[rows] @ ends
        device_s, device_j = work.device_s[rows] @ ends, work.device_j[rows] @ ends
        radio_j = problem.drawn_power_w[users] * sent_s
        wait_j = problem.idle_power_w[users] * (server_s + waited_s)
        parts = self.parts
        self.time_s[users] = device_s + sent_s + server_s + waited_s
        self.energy_j[users] = device_j + radio_j + wait_j
        if work.energy_j_per_bit is not None:
            per_bit_j = work.energy_j_per_bit[workload] * (work.crossing_bit[rows] @ ends)
            self.energy_j[users] += per_bit_j
            radio_j = radio_j + per_bit_j
        if work.standby_power_w is not None:
            parts["standby_j"][users] = work.standby_power_w[workload] * (device_s + sent_s)
            self.energy_j[users] += parts["standby_j"][users]
        if work.static_j is not None:
            parts["static_j"][users] = work.static_j[rows] @ ends
            device_j = (work.device_j[rows] - work.static_j[rows]) @ ends
        parts["compute_j"][users] = device_j
        parts["radio_j"][users], parts["wait_j"][users] = radio_j, wait_j

    def _offer_fixed(self, users: Integers, fixed: Floats, place: Floats, fits: Booleans) -> None:
        """What it costs to stop at one cut always: the last, the first, the best."""
        last = np.full(len(users), len(fixed) - 1)
        self._offer("device_only", users, last, fixed, place, fits)
        self._offer("edge_only", users, np.zeros_like(last), fixed, place, fits)
        self._offer("best_fixed", users, cheapest(fixed + place, fits)[0], fixed, place, fits)

    def _offer(
        self,
        name: str,
        users: Integers,
        at: Integers,
        running: Floats,
        place: Floats,
        possible: Booleans,
    ) -> None:
        each = np.arange(len(users))
        self.offered_at[name][users] = at
        self.offers[name][0, users] = np.where(possible[at, each], running[at, each], np.inf)
        self.offers[name][1, users] = place[at, each]

    def _bound(
        self, stopping: Stopping | MarkovStopping | Kernel, cost: Costs, placement: Integers
    ) -> Floats:
        if isinstance(stopping, MarkovStopping):
            return np.array(
                [markov_bound(stopping, int(cut), user) for user, cut in enumerate(placement)]
            )
        smooth = not isinstance(self.problem.law, (GainTrace, RateTrace))
        smooth &= np.isinf(self.problem.max_rate_bps)  # else the rate has an atom at its top
        always = self.problem.waiting is Waiting.ALWAYS
        return independent_bound(cost, stopping.channel, placement, always=always, smooth=smooth)

    def infeasibility(self) -> Infeasibility | None:
        """The users left without a placement, if any."""
        users = np.flatnonzero(self.unserved)
        reasons = tuple(REASON[int(code)] for code in self.unserved[users])
        return Infeasibility(users=users, reasons=reasons) if users.size else None

    def decision(self) -> Decision:
        """The plan of all users, once every block is filled."""
        chain = isinstance(self.problem.law, Markov)
        offers = {
            name: Offer(
                placement=self.offered_at[name], running_cost=running, placement_cost=placing
            )
            for name, (running, placing) in self.offers.items()
        }
        return Decision(
            placement=self.placement,
            placement_bit=self.placement_bit,
            placement_cost=self.placement_cost,
            running_cost=self.running_cost,
            time_s=self.time_s,
            energy_j=self.energy_j,
            energy=Energy(**self.parts),
            optimal=self.optimal,
            running_curve=self.curve,
            threshold_bps=self.threshold_bps,
            wait=self.wait,
            stop_probability=self.stop_probability,
            stop_states=self.stop_states if chain else None,
            wait_states=self.wait_states if chain else None,
            baselines=Baselines(
                **offers,
                look_ahead_same_placement=self.look_ahead_same_placement,
                clairvoyant=self.clairvoyant,
            ),
        )


def cheapest(total: Floats, allowed: Booleans) -> tuple[Integers, Floats]:
    """Smallest allowed placement of least total cost, and that cost, infinite where there is none,
    (users,).
    """
    total = np.where(allowed, total, np.inf)
    least = total.min(axis=0)
    return (total <= least * (1.0 + TIE)).argmax(axis=0), least
