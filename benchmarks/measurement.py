"""Fits, tests of drift and Cantelli's bound, on synthetic and on measured times.

`python -m benchmarks.measurement [folder of measurements]` prints the tables of
docs/measurements.md. The folder is that of the measured times
(default: SPLITPLAN_DATA, or ../shared/data).
"""

import csv
import itertools
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from app.http.bodies import parse_json
from app.measurements import files
from app.measurements.fitting import Subject, fitted
from app.measurements.schemas.files import MeasurementFile
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model, ModelCut
from app.samples import packing
from benchmarks import machine
from solvers.arrays import Floats
from solvers.margin import Margin
from solvers.measurement.fit import Fit, fit
from solvers.measurement.samples import Samples
from solvers.measurement.times import times_of
from solvers.moments import margin_factor
from solvers.stationarity import LEVEL, difference_p_value, wander

SETS = 500
RISKS = (0.05, 0.01)


def main() -> None:
    """Print every table."""
    print(f"Measured on {machine.describe()}.\n")
    coverage()
    power()
    throughput()
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SPLITPLAN_DATA", "../shared/data")
    timing = Path(given) / "timing"
    if not timing.is_dir():
        print(f"Measured times left out: there is no {timing}.")
        return
    workloads(timing / "orin_nano_freq_mean_var.csv")
    by_the_fit(timing)
    fresh(timing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A law of the device's time, and how it is measured."""

    cycles: float
    overhead_s: float
    clocks: int
    samples: int
    remembers: float = 0.0  # correlation of neighbouring times

    def fit(self, rng: np.random.Generator) -> Fit:
        """Fit one set of gamma times whose variation differs from clock to clock."""
        clocks_hz = np.linspace(306e6, 1020e6, self.clocks)
        mean = self.cycles / clocks_hz + self.overhead_s
        variation = rng.uniform(0.01, 0.08, self.clocks)
        shape = (self.clocks, self.samples)
        if self.remembers == 0.0:
            times = rng.gamma(variation[:, None] ** -2.0, (mean * variation**2)[:, None], shape)
        else:
            noise = rng.normal(size=shape)
            for n in range(1, self.samples):
                noise[:, n] = (
                    self.remembers * noise[:, n - 1]
                    + np.sqrt(1.0 - self.remembers**2) * noise[:, n]
                )
            times = mean[:, None] * (1.0 + variation[:, None] * noise)
        clock = np.repeat(clocks_hz, self.samples)
        found = times_of(rows(times.ravel(), clock), clock, np.ones(1), fits=True)[0].fit
        assert found is not None
        return found


def rows(time_s: Floats, frequency_hz: Floats) -> Samples:
    """Device times of one cut, one after the other."""
    blank, zeros = np.full(len(time_s), np.nan), np.zeros(len(time_s), dtype=np.int64)
    return Samples(
        session=zeros,
        cut=zeros,
        part=zeros,
        frequency_hz=frequency_hz,
        requested_hz=blank,
        order=np.arange(len(time_s)),
        time_s=time_s,
        cpu_time_s=blank,
        involuntary_switches=blank,
    )


def coverage() -> None:
    """How often the 95 % intervals hold the truth."""
    print(f"**Coverage of the 95 % intervals**, {SETS} sets each.\n")
    print(
        "| cycles | overhead, ms | clocks | samples per clock | cycles covered | overhead covered |"
        " misfit refuted |"
    )
    print("|---|---|---|---|---|---|---|")
    for truth in (
        Truth(cycles=4.2e7, overhead_s=9e-3, clocks=4, samples=10),
        Truth(cycles=4.2e7, overhead_s=9e-3, clocks=4, samples=50),
        Truth(cycles=4.2e7, overhead_s=9e-3, clocks=8, samples=50),
        Truth(cycles=4.2e7, overhead_s=9e-3, clocks=8, samples=300),
        Truth(cycles=4.2e7, overhead_s=5e-4, clocks=8, samples=50),
        Truth(cycles=4.2e7, overhead_s=0.0, clocks=8, samples=50),
        Truth(cycles=0.0, overhead_s=9e-3, clocks=8, samples=50),
        Truth(cycles=4.2e7, overhead_s=9e-3, clocks=8, samples=50, remembers=0.5),
    ):
        rng = np.random.default_rng(0)
        found = [truth.fit(rng) for _ in range(SETS)]
        cycles = np.mean(
            [one.cycles_interval[0] <= truth.cycles <= one.cycles_interval[1] for one in found]
        )
        overhead = np.mean(
            [
                one.overhead_interval_s[0] <= truth.overhead_s <= one.overhead_interval_s[1]
                for one in found
            ]
        )
        misfit = np.mean([one.misfit_p_value < 0.01 for one in found])
        memory = f", neighbours correlated by {truth.remembers:g}" if truth.remembers else ""
        print(
            f"| {truth.cycles:.2g} | {1e3 * truth.overhead_s:g} | {truth.clocks} |"
            f" {truth.samples}{memory} | {cycles:.1%} | {overhead:.1%} | {misfit:.1%} |"
        )
    print()


def power() -> None:
    """How often the test of drift refutes one series, alone, at its level."""
    laws: dict[str, Callable[[np.random.Generator, int], Floats]] = {
        "steady, gamma": lambda rng, n: rng.gamma(400.0, 1.0 / 400.0, n),
        "steady, log-normal (σ = 0.5)": lambda rng, n: rng.lognormal(0.0, 0.5, n),
        "steady, neighbours correlated by 0.3": lambda rng, n: 1.0 + 0.05 * memory(rng, n, 0.3),
        "steady, neighbours correlated by 0.6": lambda rng, n: 1.0 + 0.05 * memory(rng, n, 0.6),
        "mean moves by 1 standard deviation": lambda rng, n: (
            1.0 + 0.05 * (rng.normal(size=n) + np.linspace(0, 1, n))
        ),
        "mean steps by 1 standard deviation": lambda rng, n: (
            1.0 + 0.05 * (rng.normal(size=n) + (np.arange(n) > n / 2))
        ),
        "mean steps by 2 standard deviations": lambda rng, n: (
            1.0 + 0.05 * (rng.normal(size=n) + 2.0 * (np.arange(n) > n / 2))
        ),
        "spread doubles": lambda rng, n: (
            1.0 + 0.05 * rng.normal(size=n) * (1.0 + (np.arange(n) > n / 2))
        ),
    }
    counts = (50, 100, 300, 1000)
    print(f"**Series called unsteady at a level of {LEVEL:.0%}**, 1,000 series each.\n")
    print(
        f"| times | {' | '.join(f'{count:,} samples' for count in counts)}"
        f" |\n|---{'|---' * len(counts)}|"
    )
    for name, law in laws.items():
        rng = np.random.default_rng(0)
        shares = [
            np.mean([wander(law(rng, count)).p_value < LEVEL for _ in range(1000)])
            for count in counts
        ]
        print(f"| {name} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    print()


def memory(rng: np.random.Generator, count: int, correlation: float) -> Floats:
    """Normal noise of variance 1 in which neighbours are correlated."""
    noise = rng.normal(size=count)
    for n in range(1, count):
        noise[n] = correlation * noise[n - 1] + np.sqrt(1.0 - correlation**2) * noise[n]
    return noise


def throughput() -> None:
    """How long a million samples take."""
    rng, cuts, clocks = np.random.default_rng(0), 20, np.linspace(3e8, 1e9, 5)
    per_set = 1_000_000 // (2 * cuts * len(clocks))
    sets = [
        {
            "cut": cut,
            "part": "device",
            "frequency_hz": float(clock),
            "time_s": (cut * 1e6 / clock + 1e-3) * rng.gamma(400.0, 1.0 / 400.0, per_set),
            "order": rng.permutation(per_set * 200)[:per_set],
        }
        for cut in range(1, cuts + 1)
        for clock in clocks
    ]
    body = json.dumps(
        {"sessions": [{"samples": sets}] * 2}, default=lambda array: array.tolist()
    ).encode()
    device = Device(
        name="device",
        processor="cpu",
        frequency_min_hz=3e8,
        frequency_max_hz=1e9,
        power_coefficient_w_per_hz3=1e-27,
        tx_power_w=0.2,
        provenance="analytic",
    )
    profile = Model(
        name="model",
        cuts=tuple(
            ModelCut(name=str(n), flop=4_000_000 * n, feature_byte=1, parameter_byte=0)
            for n in range(cuts + 1)
        ),
        provenance="analytic",
    )
    sheet = files.from_json(MeasurementFile.model_validate(parse_json(body)))
    content = packing.pack(sheet.samples)
    table = b"".join(files.as_csv(sheet.samples))
    parquet = files.as_parquet(sheet.samples)
    steps: dict[str, Callable[[], Any]] = {
        f"parse and validate {len(body) / 1e6:.0f} MB of JSON": lambda: files.from_json(
            MeasurementFile.model_validate(parse_json(body))
        ),
        f"read {len(table) / 1e6:.0f} MB of CSV in a process of its own": lambda: files.from_rows(
            table, files.CSV
        ),
        f"read {len(parquet) / 1e6:.0f} MB of Parquet in a process of its own": lambda: (
            files.from_rows(parquet, files.PARQUET)
        ),
        "test and fit": lambda: fitted(sheet, Subject(device, profile, None)),
        f"pack into {len(content) / 1e6:.1f} MB": lambda: packing.pack(sheet.samples),
        "unpack": lambda: packing.unpack(content),
    }
    print(f"**A million samples** ({cuts} cuts, {len(clocks)} clocks, 2 sessions).\n")
    print("| step | best of 5, s | median, s |\n|---|---|---|")
    for name, step in steps.items():
        seconds = sorted(clocked(step) for _ in range(5))
        print(f"| {name} | {seconds[0]:.2f} | {seconds[2]:.2f} |")
    print()


def clocked(step: Callable[[], Any]) -> float:
    """Seconds that a step takes."""
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def workloads(path: Path) -> None:
    """The fit of every workload of the Jetson Orin Nano over eight GPU clocks, at each memory
    clock.
    """
    groups: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            key = (row["workload"], int(row["emc_mhz"]))
            groups[key].append(
                {name: float(row[name]) for name in ("gpu_mhz", "n", "mean_ms", "var_ms2")}
            )
    print("**Jetson Orin Nano**, 300 inferences at each of eight locked GPU clocks.\n")
    print(
        "| workload | memory, MHz | cycles, 10⁶ | 95 % | overhead, ms | 95 % | largest misfit |"
        " from the other clocks: median, largest error | law refuted"
        " |\n|---|---|---|---|---|---|---|---|---|"
    )
    largest, held_out = [], []
    for (name, emc), rows in sorted(groups.items()):
        clock = 1e6 * np.array([row["gpu_mhz"] for row in rows])
        count = np.array([row["n"] for row in rows])
        mean = 1e-3 * np.array([row["mean_ms"] for row in rows])
        variance = 1e-6 * np.array([row["var_ms2"] for row in rows])
        one = fit(clock, count, mean, variance)
        errors = []
        for n in range(len(clock)):
            others = np.arange(len(clock)) != n
            found = fit(clock[others], count[others], mean[others], variance[others])
            errors.append(abs((found.cycles / clock[n] + found.overhead_s) / mean[n] - 1.0))
        largest.append(one.misfit)
        held_out += errors
        print(
            f"| {name} | {emc} | {one.cycles / 1e6:.2f} | {spoken(one.cycles_interval, 1e-6)} |"
            f" {1e3 * one.overhead_s:.3f} | {spoken(one.overhead_interval_s, 1e3)} |"
            f" {one.misfit:.2%} | {np.median(errors):.2%}, {max(errors):.2%} |"
            f" {'yes' if one.misfit_p_value < 0.01 else 'no'} |"
        )
    print(
        f"\nMisfit: median {np.median(largest):.2%}, largest {max(largest):.2%}. A clock predicted"
        f" from the others: median error {np.median(held_out):.2%}, 95 % of them below"
        f" {np.quantile(held_out, 0.95):.2%}, largest {max(held_out):.2%}.\n"
    )


def spoken(interval: tuple[float, float], unit: float) -> str:
    """An interval in a unit."""
    return f"{interval[0] * unit:.3g} to {interval[1] * unit:.3g}"


def by_the_fit(timing: Path) -> None:
    """A law fitted to the first half of every clock's process, held against the second halves."""
    print(
        "**A law over clocks on fresh times**: fitted to the first halves of eight processes,"
        " played on the second.\n"
    )
    print(
        "| workload | memory, MHz | risk | coverage: mean over the clocks | least | with the plain"
        " variance: least |\n|---|---|---|---|---|---|"
    )
    for emc, name in itertools.product((665, 2133, 3199), ("mobilenet", "vit")):
        paths = sorted((timing / "orin_nano_cycles").glob(f"emc{emc}_gpu*_{name}.csv"))
        times = {
            1e6 * float(path.stem.split("_")[1].removeprefix("gpu")): (
                1e-6 * np.loadtxt(path, delimiter=",", skiprows=1, usecols=2)
            )
            for path in paths
        }
        halves = {clock: np.array_split(series, 2) for clock, series in times.items()}
        first = np.concatenate([early for early, _ in halves.values()])
        clock = np.repeat(list(halves), [len(early) for early, _ in halves.values()])
        one = times_of(rows(first, clock), clock, np.ones(1), fits=True)[0]
        assert one.fit is not None
        plain = max(level.variance_s2 for level in one.levels)
        for risk in RISKS:
            kept: dict[float, list[float]] = {one.about_fit_s2: [], plain: []}
            for variance, shares in kept.items():
                margin = float(margin_factor(np.array(risk), Margin.CANTELLI)) * np.sqrt(variance)
                for frequency_hz, (_, late) in halves.items():
                    bound = one.fit.cycles / frequency_hz + one.fit.overhead_s + margin
                    shares.append(float(np.mean(late <= bound)))
            ours, theirs = kept.values()
            print(
                f"| {name} | {emc} | {risk:g} | {np.mean(ours):.4f} | {min(ours):.3f} |"
                f" {min(theirs):.3f} |"
            )
    print()


def fresh(timing: Path) -> None:
    """Cantelli's bound from one stretch of measured times, held against the next, by the verdict on
    the first.
    """
    observed = {
        file.stem: np.loadtxt(file, delimiter=",", skiprows=1, usecols=2)
        for file in sorted((timing / "orin_nano_cycles").glob("*.csv"))
    }
    long = np.loadtxt(
        timing / "orin_nano_100k_clocked.csv.gz", delimiter=",", skiprows=1, usecols=2
    )
    studies: dict[str, list[Any]] = {
        f"{len(observed)} processes, first half → second": [
            np.array_split(times, 2) for times in observed.values()
        ],
        "one process of 100,000, each 150 → the next": list(
            itertools.pairwise(np.array_split(long, len(long) // 150))
        ),
        "the same, each 1,000 → the next": list(
            itertools.pairwise(np.array_split(long, len(long) // 1_000))
        ),
        "the same, each 10,000 → the next": list(
            itertools.pairwise(np.array_split(long, len(long) // 10_000))
        ),
    }
    print(
        "**Cantelli's bound on fresh times**, by what the test of drift said of the times it was"
        " computed from.\n"
    )
    print(
        "| stretches | verdict | number | risk | coverage: mean | least | risk refuted at 99.9 %"
        " |\n|---|---|---|---|---|---|---|"
    )
    for name, pairs in studies.items():
        passed = np.array([wander(first).p_value >= LEVEL for first, _ in pairs])
        alike = np.array([difference_p_value(first, second) >= LEVEL for first, second in pairs])
        for verdict, mask in (
            ("steady", passed),
            ("not steady", ~passed),
            ("steady, and the next alike", passed & alike),
        ):
            if not mask.any():
                continue
            for risk in RISKS:
                margin = float(margin_factor(np.array(risk), Margin.CANTELLI))
                missed, refuted = [], 0
                for (first, second), chosen in zip(pairs, mask, strict=True):
                    if chosen:
                        late = int(np.sum(second > first.mean() + margin * first.std(ddof=1)))
                        missed.append(late / len(second))
                        refuted += bool(binom.sf(late - 1, len(second), risk) < 1e-3)
                print(
                    f"| {name} | {verdict} | {len(missed)} | {risk:g} | {1.0 - np.mean(missed):.4f}"
                    f" | {1.0 - np.max(missed):.3f} | {refuted} |"
                )
    print()


if __name__ == "__main__":
    main()
