"""The witness: evaluates a decision's tables from problem and decision alone, and looks for anything better.

Integrals over the channel are taken anew for every threshold, by Gauss-Legendre panels that end at the threshold, from
the density of the gain; traces are summed and chains solved directly.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from solvers.outcome import Certificate, Violation
from solvers.stopping.channel import Fading, GainTrace, Markov, RateTrace
from solvers.stopping.problem import FREE, Decision, Problem, Waiting

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

TOLERANCE = 1e-6  # relative, of costs, times and energies
ROUNDING = 1e-9  # relative to the energy of a radio that is never silent
BOUND_TOLERANCE = 1e-4  # relative, of the clairvoyant bound, which is a coarser quadrature
RETRACED = 4  # users, spread over the fleet, whose whole curve is computed again
ELEMENTS = 1 << 20  # of a block's integrals


def check(problem: Problem, decision: Decision) -> Certificate:
    """Recompute what the decision claims and look for a better rule.

    For every user: placement within memory and as asked for; the chosen placement the smallest of least total on its
    curve; the table's expected cost, time, energy and stop probabilities by evaluating it; where it is called optimal,
    no action at any cut that would beat it (so by policy improvement none at all under that placement), otherwise the
    look-ahead thresholds; the fixed-cut baselines; bounds and neighbours in order. The whole curve is computed again,
    by textbook backward induction, for a few users spread over the fleet.
    """
    witness = _Witness(problem, decision)
    retraced = set(np.linspace(0, problem.users - 1, min(RETRACED, problem.users)).astype(int).tolist())
    for workload in range(len(problem.workloads.first) - 1):
        users = np.flatnonzero(problem.workload == workload)
        cuts = int(problem.workloads.layers[workload]) + 1
        size = max(1, ELEMENTS // (cuts * _points(problem)))
        for start in range(0, len(users), size):
            block = users[start : start + size]
            witness.look(workload, block)
            for user in retraced.intersection(block.tolist()):
                witness.retrace(workload, user)
    return Certificate(
        objective=witness.objective,
        used={"users_retraced": float(len(retraced))},
        violations=tuple(witness.violations),
    )


@dataclass(frozen=True, slots=True)
class _Terms:
    """Cost terms of some users of one workload, (cuts, users) or (cuts,)."""

    ahead: Floats
    zeta: Floats
    eta: Floats
    xi: Floats
    waiting: Floats
    stays: bool


class _Witness:
    def __init__(self, problem: Problem, decision: Decision) -> None:
        self.problem, self.decision = problem, decision
        self.violations: list[Violation] = []
        self.objective = 0.0
        self.always = problem.waiting is Waiting.ALWAYS

    def note(self, what: str, users: Integers, excess: Floats) -> None:
        """Record a violation for each user whose excess is above zero or not a number."""
        for user, by in zip(users, excess, strict=True):
            if not by <= 0.0:
                self.violations.append(Violation(constraint=what, user=int(user), excess=float(by)))

    def agree(self, what: str, users: Integers, claimed: Floats, found: Floats, slack: Floats | float = 0.0) -> None:
        """Claimed and found figures must agree to the tolerance, or to an absolute slack."""
        with np.errstate(invalid="ignore"):
            excess = np.where(claimed == found, 0.0, np.abs(claimed - found) - TOLERANCE * np.abs(found) - slack)
        self.note(what, users, excess)

    def terms(self, workload: int, users: Integers) -> _Terms:
        problem, rows = self.problem, self.problem.workloads.cuts(workload)
        work, by_time, by_energy = problem.workloads, problem.time_per_s, problem.energy_per_j
        ahead = by_time * work.device_s[rows] + by_energy * work.device_j[rows]
        return _Terms(
            ahead=ahead,
            zeta=np.diff(ahead, prepend=0.0),
            eta=work.crossing_bit[rows][:, None] * (by_time + by_energy * problem.tx_power_w[users]),
            xi=work.server_s[rows][:, None] * (by_time + by_energy * problem.idle_power_w[users]),
            waiting=problem.coherence_time_s * (by_time + by_energy * problem.idle_power_w[users]),
            stays=bool(work.crossing_bit[rows][-1] == 0.0),
        )

    def look(self, workload: int, users: Integers) -> None:
        """Everything but the curve of these users."""
        problem, decision = self.problem, self.decision
        terms, rows, each = self.terms(workload, users), problem.workloads.cuts(workload), np.arange(len(users))
        cuts = len(terms.ahead)
        chosen = decision.placement[users]
        self.note("placement", users, np.where((chosen >= 0) & (chosen < cuts), 0.0, 1.0))
        if np.any((chosen < 0) | (chosen >= cuts)):
            return
        bits = problem.workloads.parameter_bit[rows]
        self.agree("placement_bit", users, decision.placement_bit[users], bits[chosen])
        with np.errstate(invalid="ignore"):
            self.note("memory", users, bits[chosen] / 8.0 - problem.memory_byte[users])
        rate = (problem.time_per_s + problem.energy_per_j * problem.rx_power_w[users]) * problem.placement_s_per_bit[
            users
        ]
        place = bits[:, None] * rate / problem.inferences
        self.agree("placement_cost", users, decision.placement_cost[users], place[chosen, each])
        allowed = bits[:, None] / 8.0 <= problem.memory_byte[users]
        if problem.placement is not None:
            asked = problem.placement[users]
            self.note("fixed_placement", users, np.where((asked == FREE) | (asked == chosen), 0.0, 1.0))
            allowed = allowed & ((asked == FREE) | (np.arange(cuts)[:, None] == asked))
        curve = decision.running_curve[users, :cuts].T
        self.agree("running_curve", users, decision.running_cost[users], curve[chosen, each])
        total = np.where(allowed, curve + place, np.inf)
        least = total.min(axis=0)
        self.note("best_placement", users, total[chosen, each] - least * (1.0 + 1e-9))
        earlier = np.where(np.arange(cuts)[:, None] < chosen, total, np.inf).min(axis=0)
        self.note("smaller_placement_on_ties", users, np.where(earlier <= least, 1.0, 0.0))
        if isinstance(problem.law, Markov):
            chain = _Chain(problem, terms)
            ends, waits, sending, better = chain.evaluate(decision, users)
            fixed = chain.fixed()
        else:
            looks = _Looks(problem, users)
            ends, waits, sending, better = self.evaluate(terms, looks, users)
            fixed = terms.ahead[:, None] + self.forced(terms, looks)
        self.agree("stop_probability_sum", users, np.ones(len(users)), ends.sum(axis=0))
        claimed = decision.stop_probability[users, :cuts].T
        self.note("stop_probability", users, np.abs(claimed - ends).max(axis=0) - TOLERANCE)
        work = problem.workloads
        waited_s = problem.coherence_time_s * waits.sum(axis=0)
        sent_s, server_s = work.crossing_bit[rows] @ sending, work.server_s[rows] @ ends
        time_s = work.device_s[rows] @ ends + sent_s + server_s + waited_s
        energy_j = (
            work.device_j[rows] @ ends
            + problem.tx_power_w[users] * sent_s
            + problem.idle_power_w[users] * (server_s + waited_s)
        )
        cost = problem.time_per_s * time_s + problem.energy_per_j * energy_j
        self.agree("time_s", users, decision.time_s[users], time_s)
        # A radio that next to never sends adds an energy known to the rounding of probabilities only.
        rounding_j = ROUNDING * time_s * np.maximum(problem.tx_power_w[users], problem.idle_power_w[users])
        self.agree("energy_j", users, decision.energy_j[users], energy_j, rounding_j)
        self.agree("running_cost", users, decision.running_cost[users], cost)
        self.note("optimality", users, np.where(decision.optimal[users], better - TOLERANCE * cost, 0.0))
        self.objective += float((cost + place[chosen, each]).sum())
        self.neighbours(users, fixed, place, bits[:, None] / 8.0 <= problem.memory_byte[users])

    def neighbours(self, users: Integers, fixed: Floats, place: Floats, fits: Booleans) -> None:
        """Baselines: the fixed cuts recomputed, the others in their order."""
        decision, baselines = self.decision, self.decision.baselines
        if baselines is None:
            return
        total = np.where(fits, fixed + place, np.inf)
        self.agree("device_only", users, baselines.device_only.total_cost[users], total[-1])
        self.agree("edge_only", users, baselines.edge_only.total_cost[users], total[0])
        self.agree("best_fixed", users, baselines.best_fixed.total_cost[users], total.min(axis=0))
        running = decision.running_cost[users]
        optimal = decision.optimal[users]
        with np.errstate(invalid="ignore"):
            beyond = baselines.clairvoyant[users] - running * (1.0 + BOUND_TOLERANCE)
            below = running * (1.0 - TOLERANCE) - baselines.look_ahead_same_placement[users]
        self.note("clairvoyant", users, np.where(np.isnan(beyond), 0.0, beyond))
        self.note("look_ahead", users, np.where(optimal, below, 0.0))

    def forced(self, terms: _Terms, looks: "_Looks") -> Floats:
        """Cost of offloading at each cut once up, (cuts, users)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(looks.up > 0.0, looks.all_s_per_bit / looks.up, 0.0)
            outage = np.where(looks.up > 0.0, terms.waiting * (1.0 - looks.up) / looks.up, np.inf)
        cost = terms.xi + terms.eta * mean + outage
        if terms.stays:
            cost[-1] = terms.xi[-1]
        return np.asarray(cost)

    def evaluate(self, terms: _Terms, looks: "_Looks", users: Integers) -> tuple[Floats, Floats, Floats, Floats]:
        """Ends, waits and E[1/R; ends] at each cut under the table, and what the best single deviation saves."""
        decision, (cuts, count) = self.decision, terms.eta.shape
        up, chosen = looks.up, decision.placement[users]
        used = int(chosen.max()) + 1  # no table of the block is longer
        rate, wait = decision.threshold_bps[users, :used].T, decision.wait[users, :used].T
        fast, sent = looks.beyond(rate)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.always:
                ends_here = np.where(wait, 1.0, fast)
                waits_here = np.where(wait, (1.0 - fast) / fast, 0.0)
                sent_here = np.where(wait, sent / fast, sent)
            else:
                ends_here = np.where(wait, fast / up, fast)
                waits_here = np.where(wait, (1.0 - up) / up, 0.0)
                sent_here = np.where(wait, sent / up, sent)
        home = terms.stays & (chosen == cuts - 1)
        ends_here[-1] = np.where(home, 1.0, ends_here[-1])
        reached, (ends, waits, sending) = np.ones(count), np.zeros((3, cuts, count))
        for cut in range(used):
            active = (cut <= chosen) & (reached > 0.0)
            ends[cut] = np.where(active, reached * ends_here[cut], 0.0)
            with np.errstate(invalid="ignore"):
                waits[cut] = np.where(active, reached * waits_here[cut], 0.0)
                sending[cut] = np.where(active, reached * sent_here[cut], 0.0)
            reached = np.where(active, reached - ends[cut], reached)
        better, value, onward = np.zeros(count), np.zeros(count), np.full(count, np.inf)
        for cut in range(used - 1, -1, -1):
            active = cut <= chosen
            onward = np.where(cut < chosen, terms.zeta[min(cut + 1, cuts - 1)] + value, np.inf)
            here = np.where(ends_here[cut] > 0.0, ends_here[cut] * terms.xi[cut], 0.0) + terms.eta[cut] * sent_here[cut]
            here = here + np.where(waits_here[cut] > 0.0, waits_here[cut] * terms.waiting, 0.0)
            going = np.where(1.0 - ends_here[cut] > 1e-10, 1.0 - ends_here[cut], 0.0)
            here = here + np.where(going > 0.0, going * np.where(going > 0.0, onward, 0.0), 0.0)
            value = np.where(active, np.where(home & (cut == cuts - 1), terms.xi[cut], here), value)
            best = self.best(looks, terms.eta[cut], terms.xi[cut], terms.waiting, onward, value)
            best = np.where(home & (cut == cuts - 1), terms.xi[cut], best)
            with np.errstate(invalid="ignore"):  # a table that waits forever: not a number, and noted as such
                better = np.where(active, np.maximum(better, value - best), better)
        return ends, waits, sending, better

    def best(self, looks: "_Looks", eta: Floats, xi: Floats, waiting: Floats, onward: Floats, again: Floats) -> Floats:
        """Least expected cost at a cut where going on costs `onward` and, after a wait, the cut costs `again`."""
        up = looks.up
        limit = np.minimum(onward, waiting + again) if self.always else onward
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            rate = np.where(limit > xi, eta / (limit - xi), np.inf)
            rate = np.where((eta == 0.0) & (limit >= xi), 0.0, rate)
            fast, sent = (part[0] for part in looks.beyond(rate[None]))
            slow = np.maximum(up - fast, 0.0)
            stop = xi * fast + eta * sent
            least = stop + np.where(slow > 1e-10 * up, slow * limit, 0.0)
            move_on = least + np.where(up < 1.0, (1.0 - up) * limit, 0.0)
            if self.always:
                return np.asarray(move_on)
            hold = np.where(up > 0.0, least / up + waiting * (1.0 - up) / up, np.inf)
        return np.asarray(np.fmin(move_on, hold))

    def retrace(self, workload: int, user: int) -> None:
        """A user's whole curve by backward induction, one horizon beside the other; the table's rule if look-ahead."""
        users = np.array([user])
        terms = self.terms(workload, users)
        cuts = len(terms.ahead)
        claimed = self.decision.running_curve[user, :cuts]
        if isinstance(self.problem.law, Markov):
            curve = _Chain(self.problem, terms).curve()
        else:
            looks = _Looks(self.problem, users)
            curve = self.curve(terms, looks)
        if self.decision.optimal[user]:
            self.agree("running_curve", np.full(cuts, user), claimed, curve)
            return
        with np.errstate(invalid="ignore"):
            above = np.where(curve == claimed, 0.0, curve * (1.0 - TOLERANCE) - claimed)
        self.note("running_curve", np.full(cuts, user), above)
        if not isinstance(self.problem.law, Markov):
            self.look_ahead(terms, looks, user)

    def look_ahead(self, terms: _Terms, looks: "_Looks", user: int) -> None:
        """The thresholds of a look-ahead table, where nothing but forced offloads is compared."""
        if self.always:
            return
        onward = terms.zeta[1:] + self.forced(terms, looks)[1:, 0]
        eta, xi = terms.eta[:-1, 0], terms.xi[:-1, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(eta > 0.0, eta / np.maximum(onward - xi, 0.0), np.where(onward >= xi, 0.0, np.inf))
        below = int(self.decision.placement[user])
        self.agree("threshold", np.full(below, user), self.decision.threshold_bps[user, :below], rate[:below])

    def curve(self, terms: _Terms, looks: "_Looks") -> Floats:
        """Expected running cost of one user under each placement."""
        cuts = len(terms.ahead)
        value = self.forced(terms, looks)[:, 0]
        if self.always:
            value = self.patient(terms, looks)
        horizon = value.copy()
        for cut in range(cuts - 2, -1, -1):
            onward = terms.zeta[cut + 1] + value[cut + 1 :]
            # Waiting makes sense only if it beats going on, and then the value is that of waiting at every horizon.
            again = np.full(len(onward), horizon[cut])
            value[cut + 1 :] = self.best(
                looks.repeat(len(onward)), terms.eta[cut], terms.xi[cut], terms.waiting, onward, again
            )
        return value

    def patient(self, terms: _Terms, looks: "_Looks") -> Floats:
        """At each cut the x with x = a E[min(S_k, c_w + x) | up] + (1-a)(c_w + x), by bisection; one user."""
        low = terms.xi[:, 0].copy()
        high = self.forced(_unstayed(terms), looks)[:, 0]
        if looks.up[0] > 0.0:
            wide, never = looks.repeat(len(low)), np.full(len(low), np.inf)
            for _ in range(200):  # ends far above the root are halved away
                middle = 0.5 * (low + high)
                lower = self.best(wide, terms.eta[:, 0], terms.xi[:, 0], terms.waiting, never, middle) < middle
                high, low = np.where(lower, middle, high), np.where(lower, low, middle)
        value = np.where(np.isinf(high), high, 0.5 * (low + high))
        if terms.stays:
            value[-1] = terms.xi[-1, 0]
        return value


def _unstayed(terms: _Terms) -> _Terms:
    return replace(terms, stays=False)


class _Looks:
    """Integrals over one independent look at the channel, for each of some users."""

    def __init__(self, problem: Problem, users: Integers) -> None:
        self.problem = problem
        self.mean_snr = np.ones(len(users)) if problem.mean_snr is None else problem.mean_snr[users]
        everything = np.zeros((1, len(users)))
        self.up, self.all_s_per_bit = (part[0] for part in self.beyond(everything))
        self.up = np.where(self.up > 1e-12, np.where(self.up > 1.0 - 1e-10, 1.0, self.up), 0.0)

    def repeat(self, times: int) -> "_Looks":
        """The same single user many times over."""
        wide = object.__new__(_Looks)
        wide.problem, wide.mean_snr = self.problem, np.repeat(self.mean_snr, times)
        wide.up, wide.all_s_per_bit = np.repeat(self.up, times), np.repeat(self.all_s_per_bit, times)
        return wide

    def beyond(self, rate_bps: Floats) -> tuple[Floats, Floats]:
        """P(R >= rate, up) and E[1/R; R >= rate, up], (cuts, users)."""
        problem, law = self.problem, self.problem.law
        if isinstance(law, RateTrace):
            return self._sum(law.rate_bps[None], rate_bps)
        if isinstance(law, GainTrace):
            return self._sum(problem.bandwidth_hz * np.log1p(self.mean_snr[:, None] * law.gain) / np.log(2.0), rate_bps)
        if isinstance(law, Markov):
            raise TypeError("a Markov channel has no independent looks")
        return self._integrate(law, rate_bps)

    def _sum(self, samples_bps: Floats, rate_bps: Floats) -> tuple[Floats, Floats]:
        usable = (samples_bps > 0.0) & (samples_bps >= self.problem.min_rate_bps * (1.0 - 1e-12))
        taken = usable & (samples_bps >= rate_bps[..., None])
        inverse = 1.0 / np.where(samples_bps > 0.0, samples_bps, np.inf)
        return taken.mean(axis=-1), (taken * inverse).mean(axis=-1)

    def _integrate(self, law: Fading, rate_bps: Floats) -> tuple[Floats, Floats]:
        problem = self.problem
        low, high = law.log_gain_range
        with np.errstate(divide="ignore", over="ignore"):
            snr = np.maximum(np.expm1(np.log(2.0) * rate_bps / problem.bandwidth_hz), problem.min_snr)
            start = np.clip(np.log(snr / self.mean_snr), low, high)
        edges = _panel_edges(law, float(start.min()))
        start = np.maximum(start, edges[-1])[..., None]
        right, left = np.maximum(edges[:-1], start), np.maximum(edges[1:], start)
        points, weights = np.polynomial.legendre.leggauss(_ORDER)
        half = 0.5 * (right - left)[..., None]
        log_gain = left[..., None] + half * (points + 1.0)
        mass = law.log_gain_density(log_gain) * half * weights
        inverse = np.log(2.0) / problem.bandwidth_hz / np.log1p(self.mean_snr[:, None, None] * np.exp(log_gain))
        return mass.sum(axis=(-1, -2)), (mass * inverse).sum(axis=(-1, -2))


_ORDER = 12  # points of a panel


def _panel_edges(law: Fading, start: float) -> Floats:
    """Panels from the upper end of the law down, of even width first, then ever wider into the deep fades.

    Where fades never cease to count, they are followed until their weight in E[1/G] is below 1e-13 of all of it.
    """
    low, high = law.log_gain_range
    width = high / 3.5
    start = max(start, low)
    if np.isneginf(start):
        start = -1.0
        whole = law.inverse_below(np.array([np.inf]))[0]
        while law.inverse_below(np.array([np.exp(start)]))[0] > 1e-13 * whole and start > -700.0:
            start *= 1.25
    edges = [high]
    while edges[-1] > start:
        edges.append(edges[-1] - width)
        if len(edges) > 8:
            width *= 1.5
    return np.array(edges)


def _points(problem: Problem) -> int:
    """How many points an integral takes, about."""
    law = problem.law
    if isinstance(law, GainTrace):
        return law.gain.size
    if isinstance(law, RateTrace):
        return law.rate_bps.size
    if isinstance(law, Markov):
        return law.rate_bps.size**2
    return 10 * _ORDER


class _Chain:
    """The same look at a Markov channel, with linear systems instead of integrals."""

    def __init__(self, problem: Problem, terms: _Terms) -> None:
        law = problem.law
        if not isinstance(law, Markov):
            raise TypeError("a Markov law is needed")
        self.terms, self.step, self.start = terms, law.transition, law.start
        self.always = problem.waiting is Waiting.ALWAYS
        self.up = (law.rate_bps > 0.0) & (law.rate_bps >= problem.min_rate_bps)
        with np.errstate(divide="ignore"):
            self.inverse = np.where(self.up, 1.0 / law.rate_bps, np.inf)
        usable = np.where(self.up, self.inverse, 0.0)
        cost = terms.xi[..., None] + terms.eta[..., None] * usable
        self.stop_cost = np.where(self.up, cost, np.inf)  # (cuts, users, states)

    def fixed(self) -> Floats:
        """Cost of each fixed cut, (cuts, users), following the law of the state."""
        terms, law = self.terms, self.start
        away = np.where(self.up, 0.0, 1.0)[:, None] * self.step  # steps made while waiting out an outage
        visits = np.linalg.inv(np.eye(len(law)) - away)
        cost = np.empty(terms.eta.shape)
        for cut in range(len(cost)):
            seen = law @ visits
            stop = np.where(self.up, seen, 0.0)
            paid = (stop * np.where(self.up, self.stop_cost[cut], 0.0)).sum(-1) + terms.waiting * (seen - stop).sum()
            home = terms.stays and cut == len(cost) - 1
            cost[cut] = terms.ahead[cut] + (terms.xi[cut] if home else paid)
            law = law @ self.step
        return cost

    def evaluate(self, decision: Decision, users: Integers) -> tuple[Floats, Floats, Floats, Floats]:
        """Ends, waits and E[1/R; ends] at each cut under the table, and what the best single deviation saves."""
        terms, (cuts, count, states) = self.terms, self.stop_cost.shape
        if decision.stop_states is None or decision.wait_states is None:
            raise ValueError("a decision on a Markov channel lists its states")
        stop, wait = (table[users, :cuts].swapaxes(0, 1) for table in (decision.stop_states, decision.wait_states))
        chosen = decision.placement[users]
        ends, waits, sending = np.zeros((3, cuts, count))
        better = np.zeros(count)
        if np.any(stop & wait) or np.any(stop & ~self.up):
            return ends, waits, sending, np.full(count, np.inf)
        law = np.tile(self.start, (count, 1))
        for cut in range(cuts):
            leaving = np.linalg.solve(
                np.eye(states) - (wait[cut][..., None] * self.step).swapaxes(-1, -2), law[..., None]
            )[..., 0]
            waits[cut] = np.where(wait[cut], leaving, 0.0).sum(-1)
            stopping = np.where(stop[cut], leaving, 0.0)
            sending[cut] = (stopping * np.where(self.up, self.inverse, 0.0)).sum(-1)
            home = terms.stays & (chosen == cut) & (cut == cuts - 1)
            ends[cut] = np.where(home, leaving.sum(-1), stopping.sum(-1))
            law = np.where((cut < chosen)[:, None] & ~wait[cut] & ~stop[cut], leaving, 0.0) @ self.step
        value = np.zeros((count, states))
        for cut in range(int(chosen.max()), -1, -1):
            going = terms.zeta[min(cut + 1, cuts - 1)] + self.next(value)
            onward = np.where((cut < chosen)[:, None], going, np.inf)
            base = np.where(stop[cut], self.stop_cost[cut], onward)
            home = (terms.stays & (chosen == cut) & (cut == cuts - 1))[:, None]
            base = np.where(home, terms.xi[cut][:, None], base)
            system = np.eye(states) - wait[cut][..., None] * self.step
            right = np.where(wait[cut], terms.waiting[:, None], base)
            finite = np.isfinite(right).all(-1)
            here = np.full((count, states), np.inf)
            here[finite] = np.linalg.solve(system[finite], right[finite][..., None])[..., 0]
            again = terms.waiting[:, None] + self.next(here)
            best = np.minimum(self.stop_cost[cut], onward)
            best = np.where(self.always | ~self.up, np.minimum(best, again), best)
            best = np.where(home, terms.xi[cut][:, None], best)
            active = cut <= chosen
            with np.errstate(invalid="ignore"):
                saved = np.where(np.isfinite(here), here - best, np.inf).max(-1)
            better = np.where(active, np.maximum(better, saved), better)
            value = np.where(active[:, None], here, value)
        return ends, waits, sending, better

    def next(self, value: Floats) -> Floats:
        """Expected value after a transition, infinite where an infinite one can follow."""
        lost = np.isinf(value)
        return np.where(lost @ (self.step.T > 0.0), np.inf, np.where(lost, 0.0, value) @ self.step.T)

    def curve(self) -> Floats:
        """Expected running cost of one user under each placement, waits settled at each cut."""
        terms, cuts = self.terms, len(self.stop_cost)
        value = np.empty((cuts, len(self.start)))
        for cut in range(cuts):
            value[cut] = self.iterate(self.stop_cost[cut, 0][None])[0]
        if terms.stays:
            value[-1] = terms.xi[-1, 0]
        for cut in range(cuts - 2, -1, -1):
            onward = terms.zeta[cut + 1] + value[cut + 1 :] @ self.step.T
            value[cut + 1 :] = self.iterate(np.minimum(self.stop_cost[cut, 0], onward))
        return np.asarray(value @ self.start)

    def iterate(self, base: Floats) -> Floats:
        """The greatest V with V = min(base, c_w + P V) where waiting is allowed, by policy improvement."""
        waiting, free = float(self.terms.waiting[0]), ~self.up | self.always
        waits = np.isinf(base)
        while True:
            system = np.eye(base.shape[-1]) - waits[..., None] * self.step
            value = np.linalg.solve(system, np.where(waits, waiting, base)[..., None])[..., 0]
            more = free & ~waits & (waiting + value @ self.step.T < value * (1.0 - 1e-12))
            if not more.any():
                return np.asarray(value)
            waits = waits | more
