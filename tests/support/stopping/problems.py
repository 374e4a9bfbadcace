"""Stopping problems to test with: one sensible default, any part of it replaced by name."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator

from solvers.rate_law import RateLaw
from solvers.stopping.channel import GainTrace, Law, Markov, RateTrace, fit_markov
from solvers.stopping.fading import LogNormal, Nakagami, Rayleigh, Rician
from solvers.stopping.problem import Problem, Workloads

BANDWIDTH_HZ = 1e7


def a_network(layers: int, rng: Generator, *, stays: bool = True) -> Workloads:
    """A random network: layers of some milliseconds, cuts of about a megabit, no order among the
    cuts.
    """
    return Workloads(
        first=np.array([0, layers + 1]),
        device_s=np.append(0.0, np.cumsum(rng.uniform(1e-3, 2e-2, layers))),
        device_j=np.append(0.0, np.cumsum(rng.uniform(1e-3, 1e-2, layers))),
        crossing_bit=np.append(rng.uniform(1e5, 3e6, layers), 0.0 if stays else 1e5),
        server_s=np.append(np.sort(rng.uniform(0.0, 0.02, layers))[::-1], 0.0),
        parameter_bit=np.append(0.0, np.cumsum(rng.uniform(1e5, 1e7, layers))),
    )


def a_problem(users: int = 1, layers: int = 6, seed: int = 0, **changes: Any) -> Problem:
    """A cell of devices with a random network and random mean SNRs of 0 to 25 dB."""
    rng = np.random.default_rng(seed)
    parts: dict[str, Any] = {
        "time_per_s": 1.0,
        "energy_per_j": 0.5,
        "inferences": 1e4,
        "law": Rayleigh(),
        "bandwidth_hz": BANDWIDTH_HZ,
        "noise_w_per_hz": 4e-21,
        "min_snr": 0.3,
        "coherence_time_s": 5e-3,
        "workloads": a_network(layers, rng),
        "workload": np.zeros(users, dtype=np.int64),
        "mean_snr": 10.0 ** rng.uniform(0.0, 2.5, users),
        "tx_power_w": rng.uniform(0.1, 1.0, users),
        "idle_power_w": rng.uniform(0.0, 0.2, users),
        "rx_power_w": np.full(users, 0.1),
        "memory_byte": np.full(users, np.inf),
        "placement_s_per_bit": np.full(users, 1e-8),
    }
    return Problem(**(parts | changes))


RATE_LAWS = (
    RateLaw(efficiency=0.6, max_bps_per_hz=3.0, snr_gap=1.5),
    RateLaw(max_bps_per_hz=1.2),
    RateLaw(efficiency=0.4, snr_gap=2.0),
    RateLaw(max_bps_per_hz=0.3),  # reached below the minimum SNR: a radio of one rate
)


def metered(problem: Problem, rng: Generator, rate_law: RateLaw = RATE_LAWS[0]) -> Problem:
    """The same problem with a rate law, a radio with its own draw, and standby power."""
    work = problem.workloads
    count = len(work.first) - 1
    return replace(
        problem,
        rate_law=rate_law,
        radio_power_w=rng.uniform(1.0, 3.0, problem.users),
        workloads=replace(
            work,
            static_j=work.device_j * rng.uniform(0.0, 1.0),
            standby_power_w=rng.uniform(0.1, 2.0, count),
            energy_j_per_bit=rng.uniform(1e-9, 3e-8, count),
        ),
    )


def some_rates_bps(rng: Generator, samples: int = 200) -> np.ndarray:
    """A recorded rate with memory and now and then an outage."""
    fade = np.convolve(rng.exponential(size=samples + 3), np.ones(4) / 4.0, mode="valid")
    return np.where(rng.random(samples) < 0.05, 0.0, 2e7 * fade)


def every_law() -> dict[str, Law]:
    """One channel of each kind, the fading ones at several depths."""
    rng = np.random.default_rng(7)
    return {
        "rayleigh": Rayleigh(),
        "rician": Rician(4.0),
        "nakagami": Nakagami(0.7),
        "nakagami_mild": Nakagami(3.0),
        "lognormal": LogNormal(6.0),
        "none": GainTrace(np.ones(1)),
        "snr_trace": GainTrace(rng.exponential(size=150)),
        "rate_trace": RateTrace(some_rates_bps(rng)),
        "markov": Markov(
            np.array([0.0, 4e6, 1e7, 3e7]),
            np.array(
                [
                    [0.5, 0.3, 0.2, 0.0],
                    [0.2, 0.4, 0.3, 0.1],
                    [0.0, 0.3, 0.4, 0.3],
                    [0.0, 0.1, 0.3, 0.6],
                ]
            ),
            np.array([0.1, 0.2, 0.3, 0.4]),
        ),
        "markov_fitted": fit_markov(some_rates_bps(rng), 5, 1e6),
    }
