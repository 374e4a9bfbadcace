"""What margins from samples keep, what they cost, and how soon a broken promise shows.

`python -m benchmarks evidence` prints the tables of docs/evidence.md; those on measured times need
a folder of them (SPLITPLAN_DATA, or ../shared/data).
"""

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.random import Generator
from scipy.stats import beta

from benchmarks import machine
from solvers.arrays import Floats
from solvers.evidence.ambiguity import ambiguous_factor, estimated
from solvers.evidence.betting import bets
from solvers.evidence.certificates import Evidence, OptionSamples, Selection, certify
from solvers.evidence.ranks import fewest_samples, rank_for
from solvers.evidence.series import independence_lag, thinned
from solvers.margin import Margin
from solvers.moments import margin_factor
from solvers.stationarity import LEVEL, wander

RISK, DELTA = 0.05, 0.05
REPETITIONS = 10_000
SIZES, CHOICES = (60, 150, 300, 3000), (1, 10, 100)


def main() -> None:
    """Print every table."""
    print(f"Measured on {machine.describe()}.\n")
    coverage()
    every_law_alike()
    gambles()
    timing = Path(os.environ.get("SPLITPLAN_DATA", "../shared/data")) / "timing"
    if not timing.is_dir():
        print(f"Measured times left out: there is no {timing}.")
        return
    replayed(timing)


def coverage() -> None:
    """Share of fleets whose chosen option exceeds its risk."""
    print(
        f"**Chosen options whose true risk exceeds {RISK:.0%}**, {REPETITIONS:,} repetitions,"
        f" confidence {1 - DELTA:.0%}: K options of one law, the one with the least bound is taken"
        " (95 % interval: exact binomial)\n"
    )
    print("| n | K | `union` | `split` | each as if alone | samples missing |")
    print("|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for size in SIZES:
        for count in CHOICES:
            alone = _broken(rng, size, count, DELTA)
            union = _broken(rng, size, count, DELTA / count)
            split = _split(rng, size, count)
            lack = max(fewest_samples(RISK, DELTA / count) - size, 0)
            print(
                f"| {size} | {count} | {_share(union)} | {_share(split)} | {_share(alone)} |"
                f" {lack or ''} |"
            )
    print()


def _broken(rng: Generator, size: int, count: int, delta: float) -> int | None:
    """Repetitions in which the chosen option is late too often; None: there is no bound.

    The share of a law above its k-th of n samples is the same for all continuous laws: one less a
    Beta(k, n - k + 1) number.
    """
    rank = rank_for(size, RISK, delta)
    if rank is None:
        return None
    covered = rng.beta(rank, size - rank + 1.0, (REPETITIONS, count)).min(axis=1)
    return int(np.sum(1.0 - covered > RISK))


def _split(rng: Generator, size: int, count: int) -> int | None:
    """As `_broken`, with options of equal cost: the short list is the best by the first half."""
    if count == 1:
        return _broken(rng, size, 1, DELTA)
    half = size // 2
    if rank_for(half, RISK, DELTA) is None:
        return None
    return _broken(rng, half, 1, DELTA)


def _share(broken: int | None) -> str:
    if broken is None:
        return "no bound"
    low = float(beta.ppf(0.025, broken, REPETITIONS - broken + 1)) if broken else 0.0
    high = float(beta.ppf(0.975, broken + 1, REPETITIONS - broken))
    return f"{broken / REPETITIONS:.2%} ({low:.2%} to {high:.2%})"


LAWS: dict[str, tuple[Callable[[Generator, tuple[int, ...]], Floats], Callable[[Floats], Floats]]]
LAWS = {}


def _law(name: str) -> Callable[[Callable[[Floats], Floats]], Callable[[Floats], Floats]]:
    """Register a law by its quantiles."""

    def register(quantile: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
        LAWS[name] = (lambda rng, shape: quantile(rng.random(shape)), quantile)
        return quantile

    return register


@_law("gamma")
def _gamma(p: Floats) -> Floats:
    from scipy.special import gammaincinv

    return np.asarray(gammaincinv(4.0, p))


@_law("log-normal")
def _lognormal(p: Floats) -> Floats:
    from scipy.special import ndtri

    return np.asarray(np.exp(0.5 * ndtri(p)))


@_law("two points")
def _two_points(p: Floats) -> Floats:
    return np.where(p < 0.93, 1.0, 3.0)


@_law("two modes")
def _two_modes(p: Floats) -> Floats:
    from scipy.special import ndtri

    late = p >= 0.8
    return np.where(late, 3.0, 1.0) + 0.1 * ndtri(
        np.where(late, (p - 0.8) / 0.2, p / 0.8).clip(1e-12, 1 - 1e-12)
    )


@_law("Pareto, 2.5")
def _pareto(p: Floats) -> Floats:
    return np.asarray((1.0 - p) ** (-1.0 / 2.5))


def every_law_alike() -> None:
    """The product's own code on drawn times, law by law."""
    repetitions = 1000
    print(
        f"**The same by the product's own code**, {repetitions:,} repetitions of drawn times, n ="
        " 150, K = 10: chosen options late too often, and the bound over Cantelli's with the same"
        " moments (median)\n"
    )
    print("| law | `samples`, union | `samples`, split | alone | bound over Cantelli's |")
    print("|---|---|---|---|---|")
    for name, (draw, quantile) in LAWS.items():
        rng = np.random.default_rng(1)
        late = {"union": 0, "split": 0, "alone": 0}
        ratios = []
        limit = quantile(np.array([1.0 - RISK]))[0]
        for _ in range(repetitions):
            times = draw(rng, (10, 150))
            options = [OptionSamples((one,), 0.0, float(one.mean()), (1.0,)) for one in times]
            mean = times.mean(axis=1)
            for way in ("union", "split"):
                found = certify(options, RISK, DELTA, selection=Selection(way))
                if np.isfinite(found.excess_s).any():
                    late[way] += bool(np.nanmin(found.excess_s + mean) < limit)
            rank = rank_for(150, RISK, DELTA)
            assert rank is not None
            alone = np.sort(times, axis=1)[:, rank - 1]
            late["alone"] += bool(alone.min() < limit)
            ratios.append(
                alone[0] / (mean[0] + times[0].std(ddof=1) * np.sqrt((1.0 - RISK) / RISK))
            )
        print(
            f"| {name} | "
            + " | ".join(f"{late[way] / repetitions:.1%}" for way in ("union", "split", "alone"))
            + f" | {np.median(ratios):.2f} |"
        )
    print()


def gambles() -> None:
    """False alarms of e-values, and how soon a broken promise is refuted."""
    runs, length = 10_000, 100_000
    print(
        f"**Evidence against a promised risk** ({runs:,} runs of up to {length:,} inferences,"
        f" confidence {1 - DELTA:.0%}): share of runs ever refuted, and inferences until then\n"
    )
    print("| promised risk | true risk | refuted | median | 90 % within | misses by then, median |")
    print("|---|---|---|---|---|---|")
    for risk in (0.05, 0.01):
        for multiple in (1.0, 2.0, 5.0):
            rng = np.random.default_rng(2)
            at, misses = _refuted(rng, risk, multiple * risk, runs, length)
            known = np.isfinite(at)
            told = (
                f"{np.median(at):,.0f} | {np.quantile(at, 0.9):,.0f} | {np.median(misses):.0f}"
                if known.mean() > 0.9
                else " | | "
            )
            print(f"| {risk:.0%} | {multiple * risk:.0%} | {known.mean():.2%} | {told} |")
    print()


def _refuted(
    rng: Generator, risk: float, true: float, runs: int, length: int
) -> tuple[Floats, Floats]:
    """Inferences and misses at which each run is refuted; infinite where it never is.

    The evidence only rises with a miss, so that it is looked at there: the gaps between misses are
    geometric.
    """
    ls = bets(risk)
    won, lost = np.log1p(ls * (1.0 - risk)), np.log1p(-ls * risk)
    limit = np.log(1.0 / DELTA) + np.log(len(ls))
    at, by = np.full(runs, np.inf), np.full(runs, np.inf)
    seen, active, count = np.zeros(runs), np.arange(runs), 0
    while len(active):
        count += 1
        seen[active] += rng.geometric(true, len(active))
        active = active[seen[active] <= length]
        logs = count * won + (seen[active] - count)[:, None] * lost
        top = logs.max(axis=1)
        over = top + np.log(np.exp(logs - top[:, None]).sum(axis=1)) >= limit
        at[active[over]], by[active[over]] = seen[active[over]], count
        active = active[~over]
    return at, by


def _measured(timing: Path) -> Iterator[tuple[str, Floats]]:
    """Response times [s] of whole networks at one clock each, in their order."""
    for path in sorted((timing / "orin_nano_cycles").glob("*.csv")):
        with path.open() as lines:
            yield (
                path.stem,
                np.array([float(row["compute_us"]) * 1e-6 for row in csv.DictReader(lines)]),
            )


def replayed(timing: Path) -> None:
    """The first half of each measured series plans, the second plays."""
    print(
        "**Measured times, Orin Nano** (48 series of 300 inferences: the first 150 plan, the"
        f" second 150 play; risk {RISK:.0%}, confidence {1 - DELTA:.0%}, one option each)\n"
    )
    print(
        "| series | margin | series with a bound | late in the second half, all | series late above"
        f" {2 * RISK:.0%} | bound over the mean, median | over Cantelli's |"
    )
    print("|---|---|---|---|---|---|---|")
    every = list(_measured(timing))
    steady = [one for one in every if wander(one[1][:150]).p_value >= LEVEL]
    for name, series in (("all", every), ("steady by the drift test of the first half", steady)):
        for margin, bound in BOUNDS.items():
            late, over, relative, against = [], 0, [], []
            for _, times in series:
                first, second = times[:150], times[150:]
                limit = bound(first)
                if limit is None:
                    continue
                late.append(float(np.mean(second > limit)))
                over += late[-1] > 2 * RISK
                relative.append(limit / first.mean() - 1.0)
                cantelli = BOUNDS["cantelli"](first)
                assert cantelli is not None
                against.append((limit - first.mean()) / (cantelli - first.mean()))
            if late:
                print(
                    f"| {name} ({len(series)}) | {margin} | {len(late)} | {np.mean(late):.2%} |"
                    f" {over} | {np.median(relative):.2%} | {np.median(against):.2f} |"
                )
    lags = [independence_lag(times[:150]) for _, times in every]
    print(
        f"\nLag at which times are independent: median {np.median(lags):.0f},"
        f" largest {max(lags)}.\n"
    )


def _moments(factor: Callable[[Floats], float]) -> Callable[[Floats], float | None]:
    return lambda times: float(times.mean() + factor(times) * times.std(ddof=1))


def _by(margin: Margin) -> Callable[[Floats], float | None]:
    return _moments(lambda _: float(margin_factor(np.array([RISK]), margin)[0]))


def _samples(times: Floats) -> float | None:
    kept = thinned(times)
    option = OptionSamples((kept,), 0.0, float(kept.mean()), (1.0,))
    found = certify([option], RISK, DELTA, Evidence.SAMPLES).excess_s[0]
    return None if np.isnan(found) else float(found + kept.mean())


BOUNDS: dict[str, Callable[[Floats], float | None]] = {
    "gaussian": _by(Margin.GAUSSIAN),
    "unimodal": _by(Margin.UNIMODAL),
    "cantelli": _by(Margin.CANTELLI),
    "ambiguous": _moments(lambda times: ambiguous_factor(RISK, estimated(times, DELTA))),
    "samples": _samples,
}

if __name__ == "__main__":
    main()
