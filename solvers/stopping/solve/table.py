"""What a rule leads to under a placement, for a block of users."""

from dataclasses import dataclass

from solvers.arrays import Booleans, Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The tables of a decision, and what is done at each cut, (cuts, users) each."""

    threshold_bps: Floats  # as in a decision
    wait: Booleans
    ends: Floats  # probability of ending there
    waits: Floats  # expected number
    sending: Floats  # E[1/R; ends there] [s/bit]
    stop_states: Booleans | None = None  # (cuts, users, states) Markov only
    wait_states: Booleans | None = None
