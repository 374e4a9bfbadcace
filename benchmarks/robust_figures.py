"""Energy of robust plans against deadline, risk, bandwidth and users, and Cantelli's bound on
measured times.

`python -m benchmarks.robust_figures [folder of measurements]` prints the tables and draws
docs/families/robust_*.svg. The folder is that of the measured times
(default: SPLITPLAN_DATA, or ../shared/data).
"""

import itertools
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom, ks_2samp, ttest_ind

from benchmarks import machine
from benchmarks.stopping_plots import HEIGHT, WIDTH, Series, plot
from solvers.arrays import Floats
from solvers.margin import Margin
from solvers.moments import margin_factor
from solvers.outcome import Options
from solvers.progress import Progress
from solvers.robust.check import check
from solvers.robust.problem import Decision, Problem, Workloads
from solvers.robust.replay import Law, replay
from solvers.robust.solve import solve

CATALOGUE = Path(__file__).parents[1] / "app" / "catalogue"
DOCS = Path(__file__).parents[1] / "docs" / "families"
USERS, MOST_USERS, RISK = 12, 40, 0.05
RISKS = (0.05, 0.01, 0.001)
OBSERVED = 300  # inferences of which the worst-case baseline knows the longest
MARGINS = {"robust": Margin.CANTELLI, "mean only": Margin.MEAN, "worst case": Margin.WORST_CASE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A network on a device over a channel, and what is varied around its base."""

    name: str
    device: str
    model: str
    channel: str
    cube_w_per_hz3: float  # power by the law of arXiv 2503.21476, through the highest clock
    deadline_s: float
    deadlines_s: Floats
    bandwidths_hz: Floats
    measured_worst: bool = (
        False  # the catalogue's largest residual, not that of OBSERVED gamma times
    )


STUDIES = (
    Study(
        name="AlexNet on the Jetson Xavier NX CPU",
        device="jetson-xavier-nx-cpu",
        model="alexnet",
        channel="lte-10mhz",
        cube_w_per_hz3=8.6e-29,
        deadline_s=0.18,
        deadlines_s=np.linspace(0.13, 0.3, 18),
        bandwidths_hz=np.linspace(3e6, 30e6, 19),
    ),
    Study(
        name="ResNet152 on the Jetson Xavier NX GPU",
        device="jetson-xavier-nx-gpu",
        model="resnet152",
        channel="nr-30mhz",
        cube_w_per_hz3=6.35e-27,
        deadline_s=0.13,
        deadlines_s=np.linspace(0.1, 0.25, 16),
        bandwidths_hz=np.linspace(5e6, 60e6, 12),
    ),
    Study(
        name="MobileNetV2 on the Jetson Orin Nano GPU",
        device="jetson-orin-nano-gpu",
        model="mobilenet-v2",
        channel="nr-30mhz",
        cube_w_per_hz3=3.94e-27,
        deadline_s=0.006,
        deadlines_s=np.linspace(0.0052, 0.012, 15),
        bandwidths_hz=np.linspace(30e6, 300e6, 10),
        measured_worst=True,
    ),
)


def main() -> None:
    """Print every table and draw every figure."""
    print(f"Measured on {machine.describe()}.\n")
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SPLITPLAN_DATA", "../shared/data")
    timing = Path(given) / "timing"
    observed = cycles(timing) if (timing / "orin_nano_cycles").is_dir() else {}
    for study in STUDIES:
        shape = observed.get("emc2133_gpu1020_mobilenet")
        sweep(study)
        misses(study, shape)
    if not observed:
        print(f"Measured cycles left out: there is no {timing / 'orin_nano_cycles'}.")
        return
    measured(observed)
    long_run(
        np.loadtxt(timing / "orin_nano_100k_clocked.csv.gz", delimiter=",", skiprows=1, usecols=2)
    )


def entry(kind: str, name: str) -> dict[str, Any]:
    """A profile of the shipped catalogue."""
    profiles = json.loads((CATALOGUE / f"{kind}.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = next(profile for profile in profiles if profile["name"] == name)
    return found


def base(study: Study) -> Problem:
    """`MOST_USERS` users somewhere in the cell, with free clocks; the server's time does not
    vary.
    """
    device, model = entry("devices", study.device), entry("models", study.model)
    timing, channel = (
        entry("timings", f"{study.device}.{study.model}"),
        entry("channels", study.channel),
    )
    server = entry("servers", "nvidia-t4")
    flop = np.array([cut["flop"] for cut in model["cuts"]], dtype=np.float64)
    column = {
        key: np.array([cut[key] for cut in timing["cuts"]])
        for key in ("flop_per_cycle", "overhead_s")
    }
    variance = np.array([cut["variance_s2"] for cut in timing["cuts"]])
    cycles = flop / column["flop_per_cycle"]
    cuts = len(flop)
    if study.measured_worst:
        excess = np.array([cut["worst_s"] for cut in timing["cuts"]])
    else:
        excess = largest_excess(
            cycles / device["frequency_max_hz"] + column["overhead_s"], variance
        )
    table = Workloads(
        first=np.array([0, cuts]),
        standby_power_w=np.zeros(1),
        energy_j_per_bit=np.zeros(1),
        static_power_w=np.zeros(cuts),
        power_coefficient=np.full(cuts, study.cube_w_per_hz3),
        power_exponent=np.full(cuts, 3.0),
        fixed_energy_j=np.zeros(cuts),
        cut=np.arange(cuts),
        clock_min_hz=np.full(cuts, float(device["frequency_min_hz"])),
        clock_max_hz=np.full(cuts, float(device["frequency_max_hz"])),
        cycles=cycles,
        overhead_s=column["overhead_s"],
        device_variance_s2=variance,
        device_variance_low_s2=variance,
        device_excess_s=excess,
        crossing_bit=np.array([8.0 * cut["feature_byte"] for cut in model["cuts"]]),
        crossing_most_bit=np.array([8.0 * cut["feature_byte"] for cut in model["cuts"]]),
        result_bit=np.zeros(cuts),
        server_load_s=np.zeros((cuts, 0)),
        loss=np.zeros(cuts),
        server_mean_s=(flop[-1] - flop) / server["capacity_flop_per_s"],
        server_variance_s2=np.zeros(cuts),
        server_excess_s=np.zeros(cuts),
        fits_memory=np.array(
            [cut["parameter_byte"] <= device["memory_byte"] for cut in model["cuts"]]
        ),
    )
    loss = channel["path_loss"]
    distance_m = np.random.default_rng(1).uniform(30.0, 200.0, MOST_USERS)
    gain_db = -(loss["intercept_db"] + 10.0 * loss["exponent"] * np.log10(distance_m))
    every = np.ones(MOST_USERS)
    return Problem(
        bandwidth_hz=float(channel["bandwidth_hz"]),
        noise_w_per_hz=10.0 ** (channel["noise_psd_dbm_per_hz"] / 10.0) / 1e3,
        workloads=table,
        workload=np.zeros(MOST_USERS, dtype=np.int64),
        tx_power_w=device["tx_power_w"] * every,
        gain=10.0 ** (gain_db / 10.0),
        deadline_s=study.deadline_s * every,
        risk=RISK * every,
        correlation=0.0 * every,
    )


def largest_excess(mean_s: Floats, variance_s2: Floats) -> Floats:
    """How far the longest of `OBSERVED` gamma times lies beyond the mean, the same draw stretched
    over the cuts.
    """
    mean, deviation = mean_s[-1], np.sqrt(variance_s2[-1])
    times = np.random.default_rng(0).gamma((mean / deviation) ** 2, deviation**2 / mean, OBSERVED)
    return np.asarray((times.max() - mean) / deviation * np.sqrt(variance_s2))


def first(problem: Problem, users: int) -> Problem:
    """The first users of a cell."""
    columns = ("workload", "tx_power_w", "gain", "deadline_s", "risk", "correlation")
    return replace(problem, **{name: getattr(problem, name)[:users] for name in columns})


def planned(problem: Problem, margin: Margin) -> tuple[float, Decision | None]:
    """Mean energy per user and inference [mJ], NaN where there is no plan."""
    held = replace(problem, margin=margin)
    solution = solve(held, Options(gap=1e-4), Progress(time_limit_s=5.0))
    if solution.decision is None:
        return float("nan"), None
    assert check(held, solution.decision).holds
    assert solution.objective is not None
    return 1e3 * solution.objective / problem.users, solution.decision


def sweep(study: Study) -> None:
    """Energy of the three margins against everything that is varied; a table of the ends and a
    figure of four.
    """
    everybody = base(study)
    cell = first(everybody, USERS)
    excess = float(
        np.sqrt(cell.workloads.device_excess_s[-1] ** 2 / cell.workloads.device_variance_s2[-1])
    )
    print(
        f"**{study.name}**, {USERS} users, {1e3 * study.deadline_s:.0f} ms, risk {RISK:g},"
        f" {study.channel}."
    )
    source = (
        "largest measured residual"
        if study.measured_worst
        else f"longest of {OBSERVED} gamma times"
    )
    print(
        f"Worst case: the {source}, {excess:.2f} standard deviations beyond the mean, as far as"
        " Cantelli's margin"
    )
    print(f"at a risk of {1.0 / (1.0 + excess**2):.3f}.\n")

    varied: dict[str, tuple[Floats, float, Callable[[float], Problem]]] = {
        "deadline [ms]": (
            study.deadlines_s,
            1e3,
            lambda v: replace(cell, deadline_s=np.full(USERS, v)),
        ),
        "risk": (
            np.geomspace(0.005, 0.5, 15),
            1.0,
            lambda v: replace(cell, risk=np.full(USERS, v)),
        ),
        "bandwidth [MHz]": (study.bandwidths_hz, 1e-6, lambda v: replace(cell, bandwidth_hz=v)),
        "users": (np.arange(2.0, MOST_USERS + 1, 2.0), 1.0, lambda v: first(everybody, int(v))),
    }
    print(
        "| varied | at | robust, mJ | mean only, mJ | worst case, mJ | robust − mean only | robust"
        " − worst case |"
    )
    print("|---|---|---|---|---|---|---|")
    panels, ordered = [], []
    for across, (values, unit, at) in varied.items():
        energy = {
            name: np.array([planned(at(v), margin)[0] for v in values])
            for name, margin in MARGINS.items()
        }
        for position in sorted({0, len(values) // 3, len(values) // 2, len(values) - 1}):
            robust, mean, worst = (energy[name][position] for name in MARGINS)
            print(
                f"| {across} | {unit * values[position]:.3g} | {robust:.2f} | {mean:.2f} |"
                f" {worst:.2f} | {robust / mean - 1.0:+.1%} | {robust / worst - 1.0:+.1%} |"
            )
        series: Series = {name: (unit * values, line) for name, line in energy.items()}
        panels.append(plot(study.name, across, "mJ per inference", series))
        robust, mean, worst = (energy[name][np.isfinite(energy["worst case"])] for name in MARGINS)
        if across != "users":  # more time, risk or spectrum never costs more
            assert np.all(np.diff(robust) <= 2e-4 * robust[1:]), across
        between = (mean <= robust * (1.0 + 2e-4)) & (robust <= worst * (1.0 + 2e-4))
        ordered.append(f"{across} {between.sum()} of {len(between)}")
    print(f"\nRobust between the two baselines: {', '.join(ordered)}.\n")
    (DOCS / f"robust_{study.model}.svg").write_text(four(panels), encoding="utf-8")


def four(panels: list[str]) -> str:
    """Four drawings in a square."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {2 * HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
    )
    places = [(column * WIDTH, row * HEIGHT) for row in range(2) for column in range(2)]
    inside = [
        panel.replace("<svg ", f'<svg x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" ', 1)
        for (x, y), panel in zip(places, panels, strict=True)
    ]
    return "\n".join([head, *inside, "</svg>\n"])


def misses(study: Study, shape: Floats | None) -> None:
    """Largest share of missed deadlines of any user under every law, at the base."""
    cell = first(base(study), USERS)
    laws = [Law.GAMMA, Law.LOGNORMAL, Law.TWO_POINT]
    samples = None
    if shape is not None:
        laws, samples = [*laws, Law.EMPIRICAL], [shape]
    print(f"| plan at risk {RISK:g} | mJ | {' | '.join(laws)} | Cantelli's bound | users refuted |")
    print("|---" * (len(laws) + 4) + "|")
    for name, margin in MARGINS.items():
        energy, decision = planned(cell, margin)
        if decision is None:
            print(f"| {name} | none {'| ' * (len(laws) + 2)}|")
            continue
        found = replay(cell, decision, 100_000, np.random.default_rng(0), laws, samples)
        shares = " | ".join(f"{found.laws[law].share.max():.4f}" for law in laws)
        refuted = np.any([one.rejected for one in found.laws.values()], axis=0).sum()
        print(
            f"| {name} | {energy:.2f} | {shares} | {found.violation_bound.max():.4f} | {refuted} of"
            f" {USERS} |"
        )
    print()


def cycles(timing: Path) -> dict[str, Floats]:
    """Computing time of consecutive inferences [µs] by name of the file."""
    files = sorted((timing / "orin_nano_cycles").glob("*.csv"))
    return {file.stem: np.loadtxt(file, delimiter=",", skiprows=1, usecols=2) for file in files}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A bound from one stretch of a process, held against the next."""

    missed: float
    refuted: bool  # more misses than the risk explains, at 99.9 %
    bound_over_quantile: float
    margin_over_needed: float  # below 0 where the quantile lies below the mean it was fitted with


def hold(fit: Floats, test: Floats, risk: float, margin: Margin) -> Fitted:
    """Mean plus margin of `fit`, and how `test` kept it."""
    mean, deviation = fit.mean(), fit.std(ddof=1)
    bound = mean + margin_factor(np.float64(risk), margin) * deviation  # type: ignore[arg-type]
    quantile = np.quantile(test, 1.0 - risk)
    late = int(np.sum(test > bound))
    return Fitted(
        missed=late / len(test),
        refuted=bool(binom.sf(late - 1, len(test), risk) < 1e-3),
        bound_over_quantile=float(bound / quantile),
        margin_over_needed=float((bound - mean) / (quantile - mean)),
    )


def typical(found: list[Fitted]) -> str:
    """Median of margin/needed over the stretches that needed one."""
    needed = [one.margin_over_needed for one in found if one.margin_over_needed > 0.0]
    return f"{np.median(needed):.2f}" if needed else "none needed"


def measured(observed: dict[str, Floats]) -> None:
    """Halves of every file: planned on the first, played on the second."""
    halves = [(times[: len(times) // 2], times[len(times) // 2 :]) for times in observed.values()]
    steady = np.array([same(*np.array_split(early, 2)) for early, _ in halves])
    alike = np.array([same(early, late) for early, late in halves])
    moved = np.array([late.mean() / early.mean() - 1.0 for early, late in halves])
    spread = np.array([early.std(ddof=1) / early.mean() for early, _ in halves])
    print(
        f"**Jetson Orin Nano Super**, {len(halves)} processes of {len(halves[0][0]) * 2} inferences"
        " at locked clocks."
    )
    print(
        f"Coefficient of variation of the first halves: median {np.median(spread):.2%}, largest"
        f" {spread.max():.2%}."
    )
    print(
        f"The mean moved by {np.median(np.abs(moved)):.2%} (median), {moved.min():+.2%} to"
        f" {moved.max():+.2%}.\n"
    )
    groups = {
        "all": np.ones(len(halves), dtype=bool),
        "first half steady": steady,
        "halves alike": alike,
    }
    print(
        "| files | margin | risk | misses within the risk | refuted | coverage: mean | least |"
        " bound / quantile | margin / needed |\n|---|---|---|---|---|---|---|---|---|"
    )
    for group, mask in groups.items():
        for margin in (Margin.CANTELLI, Margin.GAUSSIAN):
            for risk in RISKS:
                found = [
                    hold(*pair, risk, margin)
                    for pair, chosen in zip(halves, mask, strict=True)
                    if chosen
                ]
                missed = np.array([one.missed for one in found])
                ratio = np.median([one.bound_over_quantile for one in found])
                print(
                    f"| {group} | {margin} | {risk:g} | {np.sum(missed <= risk)} of {len(found)} |"
                    f" {sum(one.refuted for one in found)} | {1.0 - missed.mean():.4f} |"
                    f" {1.0 - missed.max():.3f} | {ratio:.4f} | {typical(found)} |"
                )
    print()
    order = np.arange(1.0, len(halves) + 1.0)
    lines: Series = {
        f"{margin}": (order, np.sort([hold(*pair, RISK, margin).missed for pair in halves]))
        for margin in (Margin.CANTELLI, Margin.GAUSSIAN)
    }
    lines[f"accepted: {RISK:g}"] = order, np.full(len(halves), RISK)
    figure = plot(
        "Misses of the second half by a bound from the first", "processes, sorted", "share", lines
    )
    (DOCS / "robust_measured.svg").write_text(figure, encoding="utf-8")


def same(early: Floats, late: Floats) -> bool:
    """Whether neither the means nor the laws of two stretches differ at 1 %.

    Consecutive times are correlated, so the tests find more drift than their level says.
    """
    means = ttest_ind(early, late, equal_var=False).pvalue
    return bool(means > 0.01 and ks_2samp(early, late).pvalue > 0.01)


def long_run(times: Floats) -> None:
    """The same on one long process, by halves and from each thousand to the next."""
    thousands = np.array_split(times, len(times) // 1_000)
    half = len(times) // 2
    pairs = {
        "first half → second": [(times[:half], times[half:])],
        "first 300 → the rest": [(times[:300], times[300:])],
        "each 1,000 → the next": list(itertools.pairwise(thousands)),
    }
    print(
        f"**One process of {len(times):,} inferences**: mean {times.mean():.1f} µs, coefficient of"
        " variation"
    )
    print(
        f"{times.std() / times.mean():.2%}, longest {times.max() / times.mean():.2f} times the"
        " mean.\n"
    )
    print(
        "| fitted → tested | margin | risk | missed | times the risk | stretches within | refuted |"
        " margin / needed |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, stretches in pairs.items():
        for margin in (Margin.CANTELLI, Margin.GAUSSIAN):
            for risk in RISKS:
                found = [hold(early, late, risk, margin) for early, late in stretches]
                missed = np.array([one.missed for one in found])
                print(
                    f"| {name} | {margin} | {risk:g} | {missed.mean():.5f} |"
                    f" {missed.mean() / risk:.2f} | {np.sum(missed <= risk)} of {len(found)} |"
                    f" {sum(one.refuted for one in found)} | {typical(found)} |"
                )


if __name__ == "__main__":
    main()
