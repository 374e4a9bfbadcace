"""Random cells with every term of the energy, the rate and the budgets, or with some of them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from solvers.arrays import Floats
from solvers.margin import Margin
from solvers.rate_law import RateLaw
from solvers.robust.problem import Problem, Workloads
from tests.support.robust.cells import N0, joined

TERMS = (
    "static",  # power whatever the clock, and energy whatever the time
    "exponent",  # other than the cube
    "levels",  # measured times, some with measured power or energy
    "standby",
    "radio",  # what it draws, and energy per bit
    "rate_law",
    "codecs",  # other ways to send what crosses, with most bits and a loss
    "results",
    "streams",
    "servers",  # two of them, with budgets; only with streams
)
MARGINS = (Margin.CANTELLI, Margin.UNIMODAL, Margin.GAUSSIAN, Margin.MEAN, Margin.WORST_CASE)


@dataclass(frozen=True)
class _Chance:
    """Draws what a term adds where it is there: in most cells, not in all."""

    rng: np.random.Generator
    terms: frozenset[str]

    def has(self, term: str, often: float = 0.75) -> bool:
        return bool(self.rng.random() < often) and term in self.terms

    def ten_to(self, low: float, high: float, size: int | None = None) -> Any:
        return 10.0 ** self.rng.uniform(low, high, size)


def random_cell_with_everything(
    rng: np.random.Generator, users: int, terms: tuple[str, ...] = TERMS, options: int = 6
) -> Problem:
    """A cell of networks, devices and places of its own, at most `options` of each network; any of
    `terms` is in most cells.
    """
    chance = _Chance(rng, frozenset(terms))
    has = {term: chance.has(term) for term in TERMS}
    servers = 2 if has["streams"] and has["servers"] else 0
    parts = [
        _workload(chance, has, servers, options) for _ in range(int(rng.integers(1, users + 1)))
    ]
    table = joined(parts)
    workload = rng.integers(0, len(parts), users)
    slowest = np.array(
        [
            np.median(part.cycles / part.clock_max_hz + part.overhead_s + part.server_mean_s)
            for part in parts
        ]
    )
    deadline = slowest[workload] * rng.uniform(0.8, 4.0, users) + rng.uniform(0.02, 0.3, users)
    rate = None
    if has["streams"]:
        rate = rng.choice([0.3, 0.8, 1.3, 2.0, 3.0], users) / deadline
    capacity: tuple[float, ...] = ()
    if servers and rate is not None:
        asked = (rate[:, None] * _typical_load(table)[workload]).sum(axis=0)
        capacity = tuple(np.maximum(asked * chance.ten_to(-0.7, 0.7, servers), 1e-3).tolist())
    margin = MARGINS[int(rng.integers(len(MARGINS)))]
    problem = Problem(
        bandwidth_hz=users * chance.ten_to(5.3, 6.8),
        noise_w_per_hz=N0,
        margin=margin,
        network_mean_s=float(rng.choice([0.0, 0.005])),
        network_variance_s2=0.0 if margin is Margin.WORST_CASE else float(rng.choice([0.0, 1e-6])),
        rate_law=_rate_law(chance) if has["rate_law"] else RateLaw(),
        downlink_bps=chance.ten_to(6.0, 8.0) if has["results"] else float("inf"),
        server_capacity=capacity,
        workloads=table,
        workload=workload,
        tx_power_w=rng.uniform(0.1, 1.0, users),
        radio_power_w=rng.uniform(0.5, 3.0, users) if has["radio"] else None,
        rate_hz=rate,
        max_loss=rng.choice([0.0, 0.01, 0.1], users)
        if has["codecs"] and chance.has("codecs")
        else None,
        gain=10 ** rng.uniform(-12.0, -8.0, users),
        deadline_s=deadline,
        risk=rng.uniform(0.02, 0.4, users),
        correlation=rng.uniform(-0.5, 0.9, users),
    )
    # Drawn last, for the cells of a seed to stay what they were.
    other = {Margin.CANTELLI: Margin.UNIMODAL, Margin.WORST_CASE: Margin.MEASURED}.get(margin)
    return problem if other is None or rng.random() < 0.5 else replace(problem, margin=other)


def _rate_law(chance: _Chance) -> RateLaw:
    rng = chance.rng
    return RateLaw(
        efficiency=float(rng.uniform(0.3, 1.0)),
        max_bps_per_hz=float(rng.choice([float("inf"), 2.0, 5.0, 9.0])),
        snr_gap=float(rng.choice([1.0, 2.5, 8.0])),
    )


def _workload(chance: _Chance, has: dict[str, bool], servers: int, options: int) -> Workloads:
    """Some cuts, times the codecs, levels and servers that each may have, thinned out."""
    rng = chance.rng
    total, top = chance.ten_to(7.5, 9.5), float(rng.uniform(0.8e9, 2.5e9))
    cuts = int(rng.integers(2, 5))
    cycles = np.concatenate(([0.0], np.sort(rng.uniform(0.0, 1.0, cuts - 2)) * total, [total]))
    bits = chance.ten_to(4.5, 6.8, cuts) * (np.arange(cuts) < cuts - 1)
    speeds = chance.ten_to(9.5, 11.0, max(servers, 1))
    result = chance.ten_to(3.0, 6.0) if has["results"] else 0.0
    device = _Device.drawn(chance, has, top)
    rows = [
        computed | sent | served
        for cut in range(cuts)
        for sent, cycles_more, seconds_more in _ways_to_send(chance, has, cut, bits[cut], total)
        for computed in device.rows(cycles[cut] + cycles_more)
        for served in (
            _ways_to_serve((total - cycles[cut]) * 4.0 / speeds + seconds_more, servers, result)
            if bits[cut]
            else _ways_to_serve(np.zeros(1), servers, 0.0)
        )
    ]
    kept = np.sort(rng.permutation(len(rows))[:options])
    columns = {
        name: np.array([rows[k][name] for k in kept])
        for name in Workloads.per_row()
        if name != "fits_memory"
    }
    columns["server_load_s"] = columns["server_load_s"].reshape(len(kept), servers)
    return Workloads(
        first=np.array([0, len(kept)]),
        standby_power_w=np.array([chance.ten_to(-1.0, 0.5) if has["standby"] else 0.0]),
        energy_j_per_bit=np.array([chance.ten_to(-9.5, -7.5) if has["radio"] else 0.0]),
        fits_memory=rng.random(len(kept)) > 0.05,
        **columns,
    )


def _ways_to_send(
    chance: _Chance, has: dict[str, bool], cut: int, bits: float, cycles: float
) -> list[tuple[dict[str, Any], float, float]]:
    """What crosses a cut as it is and, in some cuts, coded; with the cycles and the seconds that
    coding adds to device and server.
    """
    rng = chance.rng
    plain = {"cut": cut, "crossing_bit": bits, "crossing_most_bit": bits, "loss": 0.0}
    ways = [(plain, 0.0, 0.0)]
    if bits and has["codecs"] and rng.random() < 0.6:
        sent = bits * rng.uniform(0.05, 0.7)
        coded = plain | {
            "crossing_bit": sent,
            "crossing_most_bit": sent * rng.uniform(1.0, 1.6),
            "loss": float(rng.choice([0.0, 0.005, 0.05])),
        }
        ways.append((coded, rng.uniform(0.0, 0.1) * cycles, rng.uniform(0.0, 5e-3)))
    return ways


def _ways_to_serve(mean_s: Floats, budgets: int, result_bit: float) -> list[dict[str, Any]]:
    """The rest of a network at each of some servers."""
    return [
        {
            "result_bit": result_bit,
            "server_mean_s": mean,
            "server_variance_s2": (0.1 * mean) ** 2,
            "server_excess_s": 0.3 * mean,
            "server_load_s": mean * (np.arange(budgets) == k),
        }
        for k, mean in enumerate(mean_s.tolist())
    ]


@dataclass(frozen=True, kw_only=True)
class _Device:
    """A device: its law, its clocks, and what was measured of it."""

    chance: _Chance
    law: dict[str, float]
    clocks_hz: tuple[tuple[float, float], ...]
    overhead_s: float
    start_up_j: float
    variation: float

    @classmethod
    def drawn(cls, chance: _Chance, has: dict[str, bool], top: float) -> "_Device":
        rng = chance.rng
        exponent = float(rng.choice([1.0, rng.uniform(1.0, 4.0), 2.0])) if has["exponent"] else 3.0
        levels = has["levels"] and rng.random() < 0.5
        slow = float(rng.choice([0.1, 0.5, 0.9])) * top
        return cls(
            chance=chance,
            law={
                "static_power_w": chance.ten_to(-1.5, 0.5) if has["static"] else 0.0,
                "power_coefficient": chance.ten_to(-0.5, 1.2) / top**exponent,
                "power_exponent": exponent,
            },
            clocks_hz=((slow, slow), (top, top)) if levels else ((slow, top),),
            overhead_s=float(rng.choice([0.0, 0.01])),
            start_up_j=chance.ten_to(-3.0, -1.0) if has["static"] and rng.random() < 0.5 else 0.0,
            variation=float(rng.uniform(0.0, 0.1)),
        )

    def rows(self, cycles: float) -> list[dict[str, float]]:
        """The columns of the device's part at each of its measured clocks, or at any clock."""
        return [self._row(cycles, low, high) for low, high in self.clocks_hz]

    def _row(self, cycles: float, low_hz: float, high_hz: float) -> dict[str, float]:
        overhead = self.overhead_s if cycles > 0.0 else 0.0
        time = cycles / high_hz + overhead
        deviation = self.variation * time
        row = self.law | {
            "clock_min_hz": low_hz,
            "clock_max_hz": high_hz,
            "cycles": cycles,
            "overhead_s": overhead,
            "fixed_energy_j": self.start_up_j if cycles > 0.0 else 0.0,
            "device_variance_s2": deviation**2,
            "device_variance_low_s2": (0.5 * deviation) ** 2,
            "device_excess_s": 3.0 * deviation,
        }
        if low_hz < high_hz:
            return row
        row |= {"cycles": 0.0, "overhead_s": time, "device_variance_low_s2": deviation**2}
        measured, watts = self.chance.rng.integers(3), self.chance.ten_to(-0.5, 1.2)
        if measured == 1:
            row |= {"static_power_w": watts, "power_coefficient": 0.0}
        elif measured == 2:
            row |= {"static_power_w": 0.0, "power_coefficient": 0.0, "fixed_energy_j": watts * time}
        return row


def _typical_load(table: Workloads) -> Floats:
    """Seconds of each server that an inference of each workload takes on average."""
    ends = zip(table.first[:-1], table.first[1:], strict=True)
    return np.array([table.server_load_s[a:b].mean(axis=0) for a, b in ends])
