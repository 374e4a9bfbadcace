"""The law of power over the clock: what it says of devices whose power was measured, beside a cube,
and how often its intervals hold the truth: `python -m benchmarks power`.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks import machine
from benchmarks.power_figures import figures
from solvers.measurement.power import fit_power
from solvers.measurement.power_law import Errors, LawIntervals, PowerFit, PowerLaw
from solvers.measurement.power_samples import PowerSamples, power_samples

SETS = 500
_TOP_HZ = 1.8e9


def main() -> None:
    """Print both tables."""
    print(f"Measured on {machine.describe()}.\n")
    devices()
    coverage()


def devices() -> None:
    """The law of every device, and the errors of a cube through the same figures."""
    print("**Power over the clock of measured devices**, W and J, clocks in GHz.\n")
    print(
        "| device | measured | samples, clocks | κ f³: median, largest error | fitted law | its"
        " median, largest error | exponent, 95 % | static, 95 % | start-up, J | waiting, W |"
        "\n|---|---|---|---|---|---|---|---|---|---|"
    )
    refused = []
    for (device, quantity), samples in figures().items():
        fit = fit_power(samples)
        clocks = len(np.unique(np.round(samples.frequency_hz / 2e7)))
        counts = f"{len(samples)}, {len(fit.clocks) or clocks}"
        print(
            f"| {device} | {quantity} | {counts} | {_told(fit.cube_errors)} |"
            f" {' | '.join(_law(fit))} |"
        )
        refused += [f"* {device}, {quantity}: {words}." for words in fit.unknown]
    print("\nNot told by these figures:\n")
    print("\n".join(refused) + "\n")


def _law(fit: PowerFit) -> list[str]:
    """The columns of a fitted law."""
    law, within = fit.law, fit.intervals
    if law is None or within is None or fit.errors is None:
        return ["none", *[""] * 5]
    coefficient = law.power_coefficient * 1e9**law.power_exponent
    start, waiting = law.energy_per_inference_j, law.waiting_power_w
    return [
        f"{law.static_power_w:.3g} + {coefficient:.3g} f^{law.power_exponent:.2f}",
        _told(fit.errors),
        f"{within.power_exponent[0]:.2f} to {within.power_exponent[1]:.2f}",
        _interval(within.static_power_w),
        f"{start:.2g} ({_interval(within.energy_per_inference_j)})" if start else "",
        f"{waiting:.2g} ({_interval(within.waiting_power_w)})" if waiting else "",
    ]


def _told(errors: Errors) -> str:
    return f"{errors.median:.1%}, {errors.largest:.0%}"


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2g} to {interval[1]:.2g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A law, and how it is measured: errors of samples, clocks and runs as standard deviations."""

    static_w: float
    clocked_w: float  # at the largest clock
    exponent: float
    start_j: float = 0.0
    waiting_w: float = 0.0
    clocks: int = 8
    samples: int = 3  # of each workload at each clock
    workloads: int = 0  # energies of so many; 0: powers
    noise: float = 0.03
    clock_noise: float = 0.0
    run_noise: float = 0.0

    @property
    def law(self) -> PowerLaw:
        return PowerLaw(
            static_power_w=self.static_w,
            power_coefficient=self.clocked_w / _TOP_HZ**self.exponent,
            power_exponent=self.exponent,
            energy_per_inference_j=self.start_j,
            waiting_power_w=self.waiting_w,
        )

    def measured(self, rng: np.random.Generator) -> PowerSamples:
        """One set of samples."""
        each = self.samples * max(self.workloads, 1)
        clock = np.repeat(np.linspace(_TOP_HZ / 3.0, _TOP_HZ, self.clocks), each)
        workload = np.tile(np.repeat(np.arange(each // self.samples), self.samples), self.clocks)
        run = np.tile(np.arange(self.samples), self.clocks * (each // self.samples))
        ones = np.ones(len(clock))
        error = 1.0 + self.noise * rng.normal(size=len(clock))
        error *= (1.0 + self.clock_noise * rng.normal(size=self.clocks)).repeat(each)
        error *= (1.0 + self.run_noise * rng.normal(size=self.samples))[run]
        if not self.workloads:
            exact = self.law.expected(power_samples(clock, power_w=ones))
            return power_samples(clock, power_w=exact * error, run=run)
        time = (workload + 1.0) * 1e9 / self.workloads / clock + 0.01
        wait = time * rng.uniform(0.0, 0.3, len(clock)) if self.waiting_w else 0.0 * time
        blank = power_samples(clock, time_s=time, energy_j=ones, wait_s=wait)
        return power_samples(
            clock,
            time_s=time,
            energy_j=self.law.expected(blank) * error,
            wait_s=wait,
            workload=workload,
            run=run,
        )

    def covered(self, found: PowerLaw, within: LawIntervals) -> list[bool]:
        """Whether the intervals hold the truth: static, clocked at the largest clock, exponent,
        start-up, waiting.
        """
        clocked = [end * _TOP_HZ**found.power_exponent for end in within.power_coefficient]
        pairs = [
            (within.static_power_w, self.static_w),
            ((clocked[0], clocked[1]), self.clocked_w),
            (within.power_exponent, self.exponent),
            (within.energy_per_inference_j, self.start_j),
            (within.waiting_power_w, self.waiting_w),
        ]
        return [low - 1e-9 <= truth <= high + 1e-9 for (low, high), truth in pairs]


TRUTHS = {
    "four powers": Truth(static_w=1, clocked_w=3, exponent=2, clocks=4, samples=1),
    "nine powers": Truth(static_w=1, clocked_w=3, exponent=2, clocks=9, samples=1),
    "90 powers": Truth(static_w=1, clocked_w=3, exponent=2, clocks=9, samples=10),
    "no static part, linear": Truth(static_w=0, clocked_w=3, exponent=1),
    "no static part, f^1.4": Truth(static_w=0, clocked_w=3, exponent=1.4, clocks=9, samples=1),
    "a cube": Truth(static_w=1, clocked_w=3, exponent=3),
    "energies of four cuts": Truth(static_w=1, clocked_w=3, exponent=2, start_j=0.3, workloads=4),
    "with waiting": Truth(
        static_w=2.7, clocked_w=1.5, exponent=1.6, start_j=0.1, waiting_w=3, clocks=7, samples=2,
        workloads=10,
    ),
    "clocks stray by 2 %": Truth(
        static_w=1, clocked_w=3, exponent=2, clocks=9, samples=10, noise=0.02, clock_noise=0.02
    ),
    "runs stray by 3 %": Truth(
        static_w=1, clocked_w=3, exponent=2, clocks=9, samples=6, noise=0.01, run_noise=0.03
    ),
    "two clocks": Truth(static_w=1, clocked_w=3, exponent=2, clocks=2, samples=10),
}  # fmt: skip


def coverage() -> None:
    """How often the 95 % intervals hold the truth."""
    print(f"**Coverage of the 95 % intervals**, {SETS} synthetic sets each.\n")
    print("| truth | static | clocked | exponent | start-up | waiting |\n|---|---|---|---|---|---|")
    for name, truth in TRUTHS.items():
        rng = np.random.default_rng(0)
        held = []
        for _ in range(SETS):
            fit = fit_power(truth.measured(rng))
            held.append(truth.covered(fit.law, fit.intervals))
        shares = np.mean(held, axis=0)
        shown = [f"{share:.1%}" for share in shares[:3]]
        shown += [f"{shares[3]:.1%}" if truth.workloads else ""]
        shown += [f"{shares[4]:.1%}" if truth.waiting_w else ""]
        print(f"| {name} | {' | '.join(shown)} |")
    print()


if __name__ == "__main__":
    main()
