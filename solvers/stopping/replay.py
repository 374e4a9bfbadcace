"""Plays a decision's tables against a channel, path by path, as a device would."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from solvers.arrays import Booleans, Floats, Integers
from solvers.records import freeze
from solvers.stopping.channel import SAME_LEVEL, Markov, RateTrace
from solvers.stopping.check.laws import carried_bps, min_rate_bps, start_of
from solvers.stopping.check.terms import radio_w, standing
from solvers.stopping.decision import Decision
from solvers.stopping.problem import Problem, Waiting

# What the trials see at their elapsed times: for a Markov law the index of the state, otherwise the
# rate [bit/s].
Look = Callable[[Integers, Floats], NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """What happened to one user, trial by trial."""

    cost: Floats  # (trials,) running cost
    time_s: Floats  # (trials,)
    energy_j: Floats  # (trials,)
    cut: Integers  # (trials,) where it ended

    def __post_init__(self) -> None:
        freeze(self)


def replay(problem: Problem, decision: Decision, user: int, trials: int, rng: Generator) -> Paths:
    """Simulate `trials` inferences of one user on the channel the problem states."""
    return play(problem, decision, user, trials, channel(problem, user, trials, rng))


def channel(problem: Problem, user: int, trials: int, rng: Generator) -> Look:
    """The stated channel as the trials see it, a new look at each call."""
    law = problem.law
    if isinstance(law, Markov):
        steps, begin = law.transition.cumsum(axis=1), start_of(law).cumsum()
        state = np.full(trials, -1)

        def look_at_chain(trial: Integers, _elapsed_s: Floats) -> NDArray[np.generic]:
            drawn, before = rng.random(trial.size), state[trial]
            rows = np.where((before < 0)[:, None], begin, steps[before])
            state[trial] = np.minimum((drawn[:, None] >= rows).sum(axis=1), begin.size - 1)
            return state[trial]

        return look_at_chain
    if isinstance(law, RateTrace):
        return lambda trial, _elapsed_s: law.sample(rng, (trial.size,))
    mean_snr = 1.0 if problem.mean_snr is None else float(problem.mean_snr[user])

    def look_at_fading(trial: Integers, _elapsed_s: Floats) -> NDArray[np.generic]:
        # A rate with a top does not tell an outage from a look that is only just good enough.
        snr = mean_snr * law.sample(rng, (trial.size,))
        up = snr >= problem.min_snr * (1.0 - SAME_LEVEL)
        return np.where(up, carried_bps(problem, snr), 0.0)

    return look_at_fading


def play(problem: Problem, decision: Decision, user: int, trials: int, look: Look) -> Paths:
    """Carry a user's table through `trials` inferences, each looking at its channel through `look`.

    Raises
    ------
    RuntimeError : a trial waited a million times at one cut.
    """
    work = problem.workloads
    first = work.first[problem.workload[user] :]
    rows = slice(int(first[0]), int(first[1]))
    tau, joule = (
        np.diff(work.device_s[rows], prepend=0.0),
        np.diff(work.device_j[rows], prepend=0.0),
    )
    bits, server_s = work.crossing_bit[rows], work.server_s[rows]
    standby_w, per_bit_j = standing(problem, int(problem.workload[user]))
    transmit_w = float(radio_w(problem, np.array([user]))[0]) + standby_w
    idle_w = float(problem.idle_power_w[user])
    placement = int(decision.placement[user])
    stays = placement == len(bits) - 1 and bits[-1] == 0.0
    time_s, energy_j = np.zeros((2, trials))
    cut = np.full(trials, placement)
    going = np.arange(trials)
    for k in range(placement + 1):
        time_s[going] += tau[k]
        energy_j[going] += joule[k] + standby_w * tau[k]
        if k == placement and stays:
            break
        looking, onward = going, []
        for _ in range(1_000_000):
            rate, stop, wait = _decided(problem, decision, user, k, look(looking, time_s[looking]))
            ended = looking[stop]
            sent_s = bits[k] / rate[stop] if bits[k] > 0.0 else np.zeros(ended.size)
            cut[ended] = k
            time_s[ended] += sent_s + server_s[k]
            energy_j[ended] += transmit_w * sent_s + idle_w * server_s[k] + per_bit_j * bits[k]
            onward.append(looking[~stop & ~wait])
            looking = looking[wait]
            if looking.size == 0:
                break
            time_s[looking] += problem.coherence_time_s
            energy_j[looking] += idle_w * problem.coherence_time_s
        else:
            raise RuntimeError(f"user {user} waited a million times at cut {k}")
        going = np.concatenate(onward)
    cost = problem.time_per_s * time_s + problem.energy_per_j * energy_j
    return Paths(cost=cost, time_s=time_s, energy_j=energy_j, cut=cut)


def _decided(
    problem: Problem, decision: Decision, user: int, cut: int, seen: NDArray[np.generic]
) -> tuple[Floats, Booleans, Booleans]:
    """Rates [bit/s] of what was seen at a cut, and who stops and who waits by the table."""
    law = problem.law
    if (
        isinstance(law, Markov)
        and decision.stop_states is not None
        and decision.wait_states is not None
    ):
        state = seen.astype(np.int64)
        stop, wait = (
            table[user, cut, state] for table in (decision.stop_states, decision.wait_states)
        )
        return law.rate_bps[state], stop, wait
    rate = seen.astype(np.float64)
    up = (rate > 0.0) & (rate >= min_rate_bps(problem) * (1.0 - SAME_LEVEL))
    stop = up & (rate >= decision.threshold_bps[user, cut])
    held = ~stop if problem.waiting is Waiting.ALWAYS else ~up
    return rate, stop, held & decision.wait[user, cut]
