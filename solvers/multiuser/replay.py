"""Plays decision tables on traces of the uplink: what the table, other rules and a clairvoyant
would have made.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.multiuser.check.terms import option_cost, option_latency_s
from solvers.multiuser.table import DecisionTable, TableProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One rule on one trace, an inference at every sample; an option of -1 is a sample at which
    nothing was run.

    A sample is stalled where nothing ran or something had to be sent at rate 0; means are over the
    others.
    """

    option: Integers  # (samples,)
    latency_s: Floats  # (samples,) infinite where stalled
    cost: Floats  # (samples,) infinite where stalled
    mean_latency_s: float
    mean_loss: float
    mean_cost: float
    switches_per_hour: float
    stalled: float  # fraction of samples
    late: float  # fraction of samples at which something ran and missed the deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A table on a trace, beside other rules; None where no option is of that kind or allowed."""

    table: Played
    regret: float  # mean cost beyond the clairvoyant's, over the samples at which both ran
    clairvoyant: Played
    device_only: Played | None
    cloud_only: Played | None
    latency_only: Played | None
    # the option with the fewest stalls, then the least mean cost, known afterwards
    best_fixed: Played | None

    def __post_init__(self) -> None:
        for field in fields(self):
            _freeze(getattr(self, field.name))


def replay(
    problem: TableProblem,
    table: DecisionTable,
    latency_table: DecisionTable,
    rate_bps: Floats,
    sample_s: float,
    hysteresis: float = 0.0,
    seen_bps: Floats | None = None,
) -> Replay:
    """Play a table on a trace of rates.

    Parameters
    ----------
    problem, table : the question and its table
    latency_table : the table of the same question at loss weight 0
    rate_bps : (samples,) rate of the uplink [bit/s], held over the whole inference
    sample_s : how long each rate holds [s]
    hysteresis : leave an option only for one cheaper by this fraction, or where it is late
    seen_bps : (samples,) what the device believes, `rate_bps` by default; yesterday's rate shows
        the price of delay

    Raises
    ------
    ValueError : for a negative or non-finite rate, an empty trace, a hysteresis outside [0, 1).
    """
    rate = np.asarray(rate_bps, dtype=np.float64)
    seen = rate if seen_bps is None else np.asarray(seen_bps, dtype=np.float64)
    _refuse_broken(rate, seen, sample_s, hysteresis)
    carried = _play(problem, decide(problem, table, seen, hysteresis), rate, sample_s)
    clairvoyant = _play(problem, best_at(problem, rate), rate, sample_s)

    def best_fixed(kept: Booleans) -> Played | None:
        return _best_fixed(problem, np.flatnonzero(kept), rate, sample_s)

    allowed = (problem.loss <= problem.max_loss) & np.isfinite(problem.server_s)
    # The last cut may still send its result.
    local = (problem.server_s == 0.0) & (
        (problem.crossing_bit == 0.0) | (problem.cut == problem.cut.max())
    )
    return Replay(
        table=carried,
        regret=_regret(carried, clairvoyant),
        clairvoyant=clairvoyant,
        device_only=best_fixed(allowed & local),
        cloud_only=best_fixed(allowed & (problem.cut == 0)),
        latency_only=_play(problem, latency_table.look_up(seen), rate, sample_s),
        best_fixed=best_fixed(allowed),
    )


def _refuse_broken(rate: Floats, seen: Floats, sample_s: float, hysteresis: float) -> None:
    if rate.ndim != 1 or not len(rate) or seen.shape != rate.shape:
        raise ValueError("rates: one per sample, at least one")
    if not np.all(np.isfinite(rate) & np.isfinite(seen) & (rate >= 0.0) & (seen >= 0.0)):
        raise ValueError("rates: finite and not negative")
    if not 0.0 <= hysteresis < 1.0 or not sample_s > 0.0:
        raise ValueError("hysteresis in [0, 1), sample_s > 0")


def _regret(carried: Played, clairvoyant: Played) -> float:
    """Mean cost of one beyond the other's, where both ran."""
    both = np.isfinite(carried.cost) & np.isfinite(clairvoyant.cost)
    return float((carried.cost[both] - clairvoyant.cost[both]).mean()) if both.any() else 0.0


def decide(
    problem: TableProblem, table: DecisionTable, seen_bps: Floats, hysteresis: float
) -> Integers:
    """The option a device holds at every sample when it stays until another is cheaper by the
    fraction `hysteresis`.
    """
    best = table.look_up(seen_bps)
    if hysteresis == 0.0:
        return best
    least = np.full(len(problem.cut), np.inf)
    named = table.option >= 0
    least[table.option[named]] = table.late_below_bps[named]
    new_cost = np.where(best >= 0, option_cost(problem, np.maximum(best, 0), seen_bps), np.inf)
    held = np.empty_like(best)
    now = -1
    for sample, (candidate, rate) in enumerate(zip(best.tolist(), seen_bps.tolist(), strict=True)):
        if candidate != now:
            late = now < 0 or candidate < 0 or rate < least[now]
            here = np.inf if late else float(option_cost(problem, np.int64(now), np.float64(rate)))  # type: ignore[arg-type]
            if late or new_cost[sample] < (1.0 - hysteresis) * here:
                now = candidate
        held[sample] = now
    return held


def best_at(problem: TableProblem, rate_bps: Floats) -> Integers:
    """The best allowed option at every rate, by looking at all of them; -1 where nothing fits."""
    every = np.arange(len(problem.cut))[:, None]
    in_time = option_latency_s(problem, every, rate_bps) <= problem.deadline_s
    cost = np.where(
        in_time & (problem.loss <= problem.max_loss)[:, None],
        option_cost(problem, every, rate_bps),
        np.inf,
    )
    best = cost.argmin(axis=0)
    return np.where(np.isfinite(cost.min(axis=0)), best, -1)


def _best_fixed(
    problem: TableProblem, options: Integers, rate: Floats, sample_s: float
) -> Played | None:
    if not len(options):
        return None
    played = (_play(problem, np.full(len(rate), option), rate, sample_s) for option in options)
    return min(played, key=lambda one: (one.stalled, one.late, one.mean_cost))


def _play(problem: TableProblem, option: Integers, rate: Floats, sample_s: float) -> Played:
    run = np.maximum(option, 0)
    latency = np.where(option >= 0, option_latency_s(problem, run, rate), np.inf)
    cost = np.where(option >= 0, option_cost(problem, run, rate), np.inf)
    through = np.isfinite(latency)
    hours = len(rate) * sample_s / 3600.0

    def mean(values: Floats) -> float:
        return float(values[through].mean()) if through.any() else float("inf")

    return Played(
        option=option,
        latency_s=latency,
        cost=cost,
        mean_latency_s=mean(latency),
        mean_loss=mean(problem.loss[run]),
        mean_cost=mean(cost),
        switches_per_hour=float(np.count_nonzero(np.diff(option))) / hours,
        stalled=float(1.0 - through.mean()),
        late=float((through & (latency > problem.deadline_s * (1.0 + 1e-9))).mean()),
    )


def _freeze(played: Any) -> None:
    if isinstance(played, Played):
        for values in (played.option, played.latency_s, played.cost):
            values.flags.writeable = False
