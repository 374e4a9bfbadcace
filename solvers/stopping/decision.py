"""What a plan of the stopping family decides: placements, tables, expected costs, simpler rules."""

from dataclasses import dataclass

import numpy as np

from solvers import outcome
from solvers.arrays import Booleans, Floats, Integers
from solvers.records import freeze
from solvers.stopping.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a simpler rule would cost each user per inference; infinite where it is not possible."""

    placement: Integers  # (users,)
    running_cost: Floats  # (users,)
    placement_cost: Floats  # (users,)

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def total_cost(self) -> Floats:
        """(users,) running and placement."""
        return self.running_cost + self.placement_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """The decision's neighbours.

    A rule's own best placement counts, memory included; fixed cuts wait out outages.
    """

    device_only: Offer
    edge_only: Offer
    best_fixed: Offer
    look_ahead: Offer
    optimum: Offer  # backward induction; NaN where time ran out before it
    look_ahead_same_placement: (
        Floats  # (users,) running cost of the look-ahead rule under the decision's placement
    )
    # (users,) lower bound on the running cost of any rule under the decision's placement; NaN if
    # not asked
    clairvoyant: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What the expected energy of an inference is made of [J], (users,) each."""

    compute_j: Floats  # on the device, without what is drawn whatever the clock
    static_j: Floats  # drawn whatever the clock, while computing
    radio_j: Floats  # while sending, and for each bit
    wait_j: Floats  # while waiting for the channel or the edge
    standby_j: Floats  # drawn as well while computing and sending

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table a device carries: offload at this cut when the rate seen is at least
    `rate_bps`.

    Otherwise run the next layer, unless `wait` says to look again after a coherence time: under
    `Waiting.IN_OUTAGE` it speaks of outage only, under `Waiting.ALWAYS` of every rate below the
    threshold.
    """

    cut: int
    offload: str  # always | never | threshold
    rate_bps: float | None
    snr: float | None
    gain: float | None
    wait: bool
    stop_states: tuple[int, ...] | None  # Markov only
    wait_states: tuple[int, ...] | None  # Markov only
    stop_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One row per user; the columns of a table are cuts, counted as far as the largest network
    reaches.

    Beyond a user's placement the table is empty (never, no wait, probability 0); beyond its last
    cut the curve is NaN.
    """

    placement: Integers  # (users,)
    placement_bit: Floats  # (users,) parameters to place
    placement_cost: Floats  # (users,) per inference
    running_cost: Floats  # (users,) expected, per inference
    time_s: Floats  # (users,) expected, per inference
    energy_j: Floats  # (users,) expected, per inference
    energy: Energy  # its parts
    optimal: (
        Booleans  # (users,) whether backward induction, over every placement allowed, found the row
    )
    running_curve: Floats  # (users, cuts) expected running cost under each placement
    # (users, cuts) 0 always, infinite never; NaN where a Markov stop set is no interval of rates
    threshold_bps: Floats
    wait: Booleans  # (users, cuts)
    stop_probability: Floats  # (users, cuts) of ending at the cut
    stop_states: Booleans | None = None  # (users, cuts, states) Markov only
    wait_states: Booleans | None = None  # (users, cuts, states) Markov only
    baselines: Baselines | None = None

    def __post_init__(self) -> None:
        freeze(self)

    def table(self, problem: Problem, user: int) -> tuple[Row, ...]:
        """The rows a device carries, one for every cut up to its placement."""
        last = int(self.placement[user]) + 1
        rates = self.threshold_bps[user, :last]
        snrs, gains = problem.snr(rates), problem.gain(rates, user)
        rows = []
        for cut in range(last):
            stop, wait = (
                None if states is None else tuple(np.flatnonzero(states[user, cut]).tolist())
                for states in (self.stop_states, self.wait_states)
            )
            rate = float(rates[cut])
            shown: tuple[str, float | None, float | None, float | None]
            if rate == 0.0:
                shown = ("always", None, None, None)
            elif rate > problem.max_rate_bps or rate == np.inf:
                shown = ("never", None, None, None)
            else:
                shown = (
                    "threshold",
                    _known(rate),
                    _known(float(snrs[cut])),
                    _known(float(gains[cut])),
                )
            rows.append(
                Row(
                    cut=cut,
                    offload=shown[0],
                    rate_bps=shown[1],
                    snr=shown[2],
                    gain=shown[3],
                    wait=bool(self.wait[user, cut]),
                    stop_states=stop,
                    wait_states=wait,
                    stop_probability=float(self.stop_probability[user, cut]),
                )
            )
        return tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasibility(outcome.Infeasibility):
    """Users that no placement serves at a finite cost, and why."""

    # (users,) "memory": the fixed placement does not fit; "outage": the channel is never up
    reasons: tuple[str, ...]

    def __post_init__(self) -> None:
        freeze(self)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
