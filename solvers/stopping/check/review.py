"""Every claim of a decision, held against what its tables are worth on the channel."""

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.outcome import Certificate, Violation
from solvers.stopping.channel import Markov
from solvers.stopping.check.chain import Chain
from solvers.stopping.check.constraints import Constraint
from solvers.stopping.check.curve import Induction
from solvers.stopping.check.looks import Looks, points
from solvers.stopping.check.terms import Terms, radio_w, spent, terms_of
from solvers.stopping.decision import Decision, Offer
from solvers.stopping.problem import FREE, Problem

TOLERANCE = 1e-6  # relative, of costs, times and energies
ROUNDING = 1e-9  # relative to the energy of a radio that is never silent
BOUND_TOLERANCE = 1e-4  # relative, of the clairvoyant bound, which is a coarser quadrature
RETRACED = 4  # users, spread over the fleet, whose whole curve is computed again
ELEMENTS = 1 << 20  # of a block's integrals


def check(problem: Problem, decision: Decision) -> Certificate:
    """Recompute what the decision claims and look for a better rule.

    For every user: placement within memory and as asked for; the chosen placement the smallest of
    least total on its curve; the table's expected cost, time, energy and stop probabilities by
    evaluating it; where it is called optimal, no action at any cut that would beat it (so by policy
    improvement none at all under that placement), otherwise the look-ahead thresholds; the
    fixed-cut baselines; bounds and neighbours in order. The whole curve is computed again, by
    textbook backward induction, for a few users spread over the fleet.
    """
    review = Review(problem, decision)
    retraced = set(
        np.linspace(0, len(problem.workload) - 1, min(RETRACED, len(problem.workload)))
        .astype(int)
        .tolist()
    )
    for workload in range(len(problem.workloads.first) - 1):
        users = np.flatnonzero(problem.workload == workload)
        cuts = int(problem.workloads.first[workload + 1] - problem.workloads.first[workload])
        size = max(1, ELEMENTS // (cuts * points(problem)))
        for start in range(0, len(users), size):
            block = users[start : start + size]
            review.look(workload, block)
            for user in retraced.intersection(block.tolist()):
                review.retrace(workload, user)
    return Certificate(
        objective=review.objective,
        used={"users_retraced": float(len(retraced))},
        violations=tuple(review.violations),
    )


class Review(Induction):
    """Violations and the objective of the users looked at so far."""

    def __init__(self, problem: Problem, decision: Decision) -> None:
        super().__init__(problem, decision)
        self.violations: list[Violation] = []
        self.objective = 0.0

    def note(self, what: Constraint, users: Integers, excess: Floats) -> None:
        """Record a violation for each user whose excess is above zero or not a number."""
        over = ~(excess <= 0.0)
        for user, by in zip(users[over].tolist(), excess[over].tolist(), strict=True):
            self.violations.append(Violation(constraint=what, user=user, excess=by))

    def agree(
        self,
        what: Constraint,
        users: Integers,
        claimed: Floats,
        found: Floats,
        slack: Floats | float = 0.0,
    ) -> None:
        """Claimed and found figures must agree to the tolerance, or to an absolute slack."""
        with np.errstate(invalid="ignore"):
            excess = np.where(
                claimed == found, 0.0, np.abs(claimed - found) - TOLERANCE * np.abs(found) - slack
            )
        self.note(what, users, excess)

    def look(self, workload: int, users: Integers) -> None:
        """Everything but the curve of these users."""
        problem, decision = self.problem, self.decision
        terms, each = terms_of(problem, workload, users), np.arange(len(users))
        cuts = len(terms.ahead)
        chosen = decision.placement[users]
        self.note(Constraint.PLACEMENT, users, np.where((chosen >= 0) & (chosen < cuts), 0.0, 1.0))
        if np.any((chosen < 0) | (chosen >= cuts)):
            return
        place, fits = self.placements(terms, users)
        fixed, (ends, waits, sending, better) = self.played(terms, users)
        self.agree(Constraint.STOP_PROBABILITY_SUM, users, np.ones(len(users)), ends.sum(axis=0))
        claimed = decision.stop_probability[users, :cuts].T
        self.note(
            Constraint.STOP_PROBABILITY, users, np.abs(claimed - ends).max(axis=0) - TOLERANCE
        )
        cost = self.costs(terms, users, ends, waits, sending)
        self.note(
            Constraint.OPTIMALITY,
            users,
            np.where(decision.optimal[users], better - TOLERANCE * cost, 0.0),
        )
        self.objective += float((cost + place[chosen, each]).sum())
        self.neighbours(users, fixed, place, fits)

    def placements(self, terms: Terms, users: Integers) -> tuple[Floats, Booleans]:
        """Whether the placement is the cheapest allowed one by the decision's own running costs.

        Returns what each placement costs, and which fit in memory, (cuts, users).
        """
        problem, decision = self.problem, self.decision
        each, cuts, chosen = np.arange(len(users)), len(terms.ahead), decision.placement[users]
        bits = problem.workloads.parameter_bit[terms.rows]
        self.agree(Constraint.PLACEMENT_BIT, users, decision.placement_bit[users], bits[chosen])
        with np.errstate(invalid="ignore"):
            self.note(Constraint.MEMORY, users, bits[chosen] / 8.0 - problem.memory_byte[users])
        rate = (
            problem.time_per_s + problem.energy_per_j * problem.rx_power_w[users]
        ) * problem.placement_s_per_bit[users]
        place = bits[:, None] * rate / problem.inferences
        self.agree(
            Constraint.PLACEMENT_COST, users, decision.placement_cost[users], place[chosen, each]
        )
        fits = allowed = bits[:, None] / 8.0 <= problem.memory_byte[users]
        if problem.placement is not None:
            asked = problem.placement[users]
            self.note(
                Constraint.FIXED_PLACEMENT,
                users,
                np.where((asked == FREE) | (asked == chosen), 0.0, 1.0),
            )
            allowed = fits & ((asked == FREE) | (np.arange(cuts)[:, None] == asked))
        curve = decision.running_curve[users, :cuts].T
        self.agree(
            Constraint.RUNNING_CURVE, users, decision.running_cost[users], curve[chosen, each]
        )
        total = np.where(allowed, curve + place, np.inf)
        least = total.min(axis=0)
        self.note(Constraint.BEST_PLACEMENT, users, total[chosen, each] - least * (1.0 + 1e-9))
        earlier = np.where(np.arange(cuts)[:, None] < chosen, total, np.inf).min(axis=0)
        self.note(Constraint.SMALLER_PLACEMENT_ON_TIES, users, np.where(earlier <= least, 1.0, 0.0))
        return place, fits

    def played(
        self, terms: Terms, users: Integers
    ) -> tuple[Floats, tuple[Floats, Floats, Floats, Floats]]:
        """What each fixed cut costs; and under the table the ends, waits and E[1/R; ends] at each
        cut, and what the best single deviation saves.
        """
        if isinstance(self.problem.law, Markov):
            chain = Chain(self.problem, terms)
            return chain.fixed(), chain.evaluate(self.decision, users)
        looks = Looks(self.problem, users)
        fixed = terms.ahead[:, None] + self.forced(terms, looks)
        return fixed, self.evaluate(terms, looks, users)

    def costs(
        self, terms: Terms, users: Integers, ends: Floats, waits: Floats, sending: Floats
    ) -> Floats:
        """Running costs (users,), from times and energies that the decision must agree with."""
        problem, decision = self.problem, self.decision
        work, rows = problem.workloads, terms.rows
        waited_s = problem.coherence_time_s * waits.sum(axis=0)
        sent_s, server_s = work.crossing_bit[rows] @ sending, work.server_s[rows] @ ends
        time_s = work.device_s[rows] @ ends + sent_s + server_s + waited_s
        parts = spent(problem, terms, users, ends, sent_s, server_s + waited_s)
        energy_j = np.sum(list(parts.values()), axis=0)
        cost = problem.time_per_s * time_s + problem.energy_per_j * energy_j
        self.agree(Constraint.TIME_S, users, decision.time_s[users], time_s)
        # A radio that next to never sends adds an energy known to the rounding of probabilities
        # only.
        rounding_j = (
            ROUNDING * time_s * np.maximum(radio_w(problem, users), problem.idle_power_w[users])
        )
        for name, found in parts.items():
            claimed = getattr(decision.energy, name)[users]
            slack = rounding_j + TOLERANCE * energy_j
            self.agree(Constraint.ENERGY_PARTS, users, claimed, found, slack)
        self.agree(Constraint.ENERGY_J, users, decision.energy_j[users], energy_j, rounding_j)
        self.agree(Constraint.RUNNING_COST, users, decision.running_cost[users], cost)
        return np.asarray(cost)

    def neighbours(self, users: Integers, fixed: Floats, place: Floats, fits: Booleans) -> None:
        """Baselines: the fixed cuts recomputed, the others in their order."""
        decision, baselines = self.decision, self.decision.baselines
        if baselines is None:
            return
        total = np.where(fits, fixed + place, np.inf)
        self.agree(Constraint.DEVICE_ONLY, users, _total(baselines.device_only)[users], total[-1])
        self.agree(Constraint.EDGE_ONLY, users, _total(baselines.edge_only)[users], total[0])
        self.agree(
            Constraint.BEST_FIXED, users, _total(baselines.best_fixed)[users], total.min(axis=0)
        )
        running = decision.running_cost[users]
        optimal = decision.optimal[users]
        with np.errstate(invalid="ignore"):
            beyond = baselines.clairvoyant[users] - running * (1.0 + BOUND_TOLERANCE)
            below = running * (1.0 - TOLERANCE) - baselines.look_ahead_same_placement[users]
        self.note(Constraint.CLAIRVOYANT, users, np.where(np.isnan(beyond), 0.0, beyond))
        self.note(Constraint.LOOK_AHEAD, users, np.where(optimal, below, 0.0))

    def retrace(self, workload: int, user: int) -> None:
        """A user's whole curve by backward induction, one horizon beside the other; the table's
        rule if look-ahead.
        """
        users = np.array([user])
        terms = terms_of(self.problem, workload, users)
        cuts = len(terms.ahead)
        claimed = self.decision.running_curve[user, :cuts]
        if isinstance(self.problem.law, Markov):
            curve = Chain(self.problem, terms).curve()
        else:
            looks = Looks(self.problem, users)
            curve = self.curve(terms, looks)
        if self.decision.optimal[user]:
            self.agree(Constraint.RUNNING_CURVE, np.full(cuts, user), claimed, curve)
            return
        with np.errstate(invalid="ignore"):
            above = np.where(curve == claimed, 0.0, curve * (1.0 - TOLERANCE) - claimed)
        self.note(Constraint.RUNNING_CURVE, np.full(cuts, user), above)
        if not isinstance(self.problem.law, Markov):
            self.look_ahead(terms, looks, user)

    def look_ahead(self, terms: Terms, looks: Looks, user: int) -> None:
        """The thresholds of a look-ahead table, where nothing but forced offloads is compared."""
        if self.always:
            return
        onward = terms.zeta[1:] + self.forced(terms, looks)[1:, 0]
        eta, xi = terms.eta[:-1, 0], terms.xi[:-1, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(
                eta > 0.0, eta / np.maximum(onward - xi, 0.0), np.where(onward >= xi, 0.0, np.inf)
            )
        below = int(self.decision.placement[user])
        self.agree(
            Constraint.THRESHOLD,
            np.full(below, user),
            self.decision.threshold_bps[user, :below],
            rate[:below],
        )


def _total(offer: Offer) -> Floats:
    """Running and placement cost of a simpler rule, (users,)."""
    return offer.placement_cost + offer.running_cost
