"""Laws of the channel that a device sees after each layer.

A fading law describes the power gain G relative to the user's mean SNR: SNR = mean_snr · G, and
the problem's rate law says what that carries. A law in rates is the same for every user. Samples of
independent laws are drawn afresh after each layer and after each wait; a `Markov` channel makes one
transition instead.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from solvers.arrays import Booleans, Floats
from solvers.records import freeze, require
from solvers.stopping.fading import Fading

# A level of the channel this close below the least one, relatively, is the least one: whoever
# writes a rate as the decibels of its SNR rounds it. Solver, check and replay count it as up.
SAME_LEVEL = 1e-9


@dataclass(frozen=True, slots=True)
class GainTrace:
    """Recorded gains, equally likely and independent; a single gain is a channel that does not
    fade.

    Gains multiply the user's mean SNR: divide a trace of SNR by its mean to give it to users of
    other means, or give it as it is with a mean SNR of 1.
    """

    gain: Floats  # (samples,)

    def __post_init__(self) -> None:
        freeze(self)
        require(self.gain.ndim == 1 and self.gain.size >= 1, "gain: at least one sample")
        require(bool(np.all((self.gain >= 0.0) & np.isfinite(self.gain))), "gain >= 0 and finite")

    @property
    def mean_inverse_rate_finite(self) -> bool:
        """No sample is 0."""
        return bool(np.all(self.gain > 0.0))

    def sample(self, rng: Generator, size: tuple[int, ...]) -> Floats:
        """Independent gains."""
        return rng.choice(self.gain, size)


@dataclass(frozen=True, slots=True)
class RateTrace:
    """Recorded rates, equally likely and independent, the same for every user."""

    rate_bps: Floats  # (samples,)

    def __post_init__(self) -> None:
        freeze(self)
        require(
            self.rate_bps.ndim == 1 and self.rate_bps.size >= 1, "rate_bps: at least one sample"
        )
        require(
            bool(np.all((self.rate_bps >= 0.0) & np.isfinite(self.rate_bps))),
            "rate_bps >= 0 and finite",
        )

    @property
    def mean_inverse_rate_finite(self) -> bool:
        """No sample is 0."""
        return bool(np.all(self.rate_bps > 0.0))

    def sample(self, rng: Generator, size: tuple[int, ...]) -> Floats:
        """Independent rates."""
        return rng.choice(self.rate_bps, size)


@dataclass(frozen=True, slots=True)
class Markov:
    """A chain of rates, the same for every user: one transition per layer or wait; it starts
    stationary or as told.
    """

    rate_bps: Floats  # (states,)
    transition: Floats  # (states, states), rows sum to 1
    initial: Floats | None = None  # (states,)

    def __post_init__(self) -> None:
        freeze(self)
        states = self.rate_bps.size
        require(self.rate_bps.ndim == 1 and states >= 1, "rate_bps: at least one state")
        require(
            bool(np.all((self.rate_bps >= 0.0) & np.isfinite(self.rate_bps))),
            "rate_bps >= 0 and finite",
        )
        require(
            self.transition.shape == (states, states),
            "transition: one row and one column per state",
        )
        require(_laws(self.transition), "transition: every row is a probability law")
        if self.initial is not None:
            require(
                self.initial.shape == (states,) and _laws(self.initial),
                "initial: a probability law of states",
            )

    @property
    def mean_inverse_rate_finite(self) -> bool:
        """No state has rate 0."""
        return bool(np.all(self.rate_bps > 0.0))

    @property
    def start(self) -> Floats:
        """Law of the state seen before the first layer.

        Raises
        ------
        ValueError : no `initial` was given and the chain has several stationary laws.
        """
        return stationary(self.transition) if self.initial is None else self.initial

    def outage_is_absorbing(self, min_rate_bps: float) -> bool:
        """Whether the chain can fall into states of outage that it never leaves."""
        out = self.in_outage(min_rate_bps)
        saved = ~out
        for _ in range(saved.size):
            saved = saved | ((self.transition > 0.0) & saved).any(axis=1)
        return not bool(saved.all())

    def in_outage(self, min_rate_bps: float) -> Booleans:
        """The states nobody may transmit in."""
        return ~usable(self.rate_bps, min_rate_bps)


Independent = Fading | GainTrace | RateTrace
Law = Fading | GainTrace | RateTrace | Markov


def fit_markov(trace_bps: Floats, states: int, min_rate_bps: float = 0.0) -> Markov:
    """Markov channel from a recorded rate, with equally filled states between quantiles.

    Samples of rate 0 or below `min_rate_bps` share a state of their own, the outage. A state's rate
    is the harmonic mean of its samples, for costs are linear in 1/R. The trace is closed to a
    circle, so that every state is left and the chain's stationary law is exactly how often each
    state was seen.

    Parameters
    ----------
    trace_bps : (samples,) rates [bit/s], one per coherence time; at least two.
    states : number of states above the outage; fewer come out where the trace holds fewer distinct
        rates.
    """
    trace = np.asarray(trace_bps, dtype=np.float64)
    require(trace.ndim == 1 and trace.size >= 2, "trace_bps: at least two samples")
    require(bool(np.all((trace >= 0.0) & np.isfinite(trace))), "trace_bps >= 0 and finite")
    require(states >= 1, "states >= 1")
    up = usable(trace, min_rate_bps)
    label = np.zeros(trace.size, dtype=np.int64)
    if up.any():
        edges = (
            np.unique(np.quantile(trace[up], np.arange(1, states) / states))
            if states > 1
            else np.empty(0)
        )
        label[up] = 1 + np.searchsorted(edges, trace[up], side="right")
    _, label = np.unique(label, return_inverse=True)
    size = int(label.max()) + 1
    counts = np.zeros((size, size))
    np.add.at(counts, (label, np.roll(label, -1)), 1.0)
    seen = counts.sum(axis=1)
    with np.errstate(divide="ignore"):
        inverse = np.bincount(label, weights=1.0 / trace, minlength=size)
    return Markov(seen / inverse, counts / seen[:, None], seen / seen.sum())


def usable(level: Floats, least: float | Floats) -> Booleans:
    """Which levels of a channel (rates, gains or SNRs) anybody may transmit at; `least` is the
    lowest of them.
    """
    return np.asarray((level > 0.0) & (level >= least * (1.0 - SAME_LEVEL)))


def stationary(transition: Floats) -> Floats:
    """The stationary law of a chain with a single closed class.

    Raises
    ------
    ValueError : several closed classes, hence several stationary laws.
    """
    states = len(transition)
    equations = np.vstack([transition.T - np.eye(states), np.ones(states)])
    require(
        np.linalg.matrix_rank(equations) == states,
        "initial is needed: the chain has several stationary laws",
    )
    law = np.linalg.lstsq(equations, np.append(np.zeros(states), 1.0), rcond=None)[0]
    law = np.maximum(law, 0.0)
    return np.asarray(law / law.sum())


def mean_seconds_per_bit(rate_bps: Floats, *, one_fade: bool) -> float:
    """Downlink seconds per bit of a placement: E[1/R] if one fade spans it, 1/E[R] if it spans
    many.
    """
    rates = np.asarray(rate_bps, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return float(np.mean(1.0 / rates)) if one_fade else float(1.0 / np.mean(rates))


def _laws(rows: Floats) -> bool:
    return bool(np.all(rows >= 0.0) and np.all(np.abs(rows.sum(axis=-1) - 1.0) <= 1e-9))
