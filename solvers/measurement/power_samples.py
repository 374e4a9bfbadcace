"""Measured energies and powers as columns."""

from dataclasses import dataclass, fields

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.measurement.samples import groups
from solvers.records import freeze, require

BATCHES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSamples:
    """Measured energies or powers, one row each; all (rows,).

    A row has the energy of one inference (`energy_j`, which needs its `time_s`), or the power while
    computing (`power_w`).
    """

    frequency_hz: Floats
    time_s: Floats  # computing; NaN: not known
    energy_j: Floats  # of the whole inference, waiting included; NaN: the power was measured
    power_w: Floats  # NaN: the energy was measured
    idle_w: Floats  # to be taken off, computing and waiting; 0: what was measured is above idle
    wait_s: Floats  # of the energy's time, spent waiting; 0: none
    workload: Integers  # what ran: times of different workloads are not compared
    run: Integers  # what was measured together: its errors may be alike

    def __post_init__(self) -> None:
        freeze(self)
        for field in fields(self):
            require(
                len(getattr(self, field.name)) == len(self.frequency_hz),
                f"{field.name}: one entry per row",
            )
        require(len(self.frequency_hz) > 0, "at least one row")
        energy = np.isfinite(self.energy_j)
        require(
            bool(np.all(energy != np.isfinite(self.power_w))),
            "a row has one of energy_j and power_w",
        )
        require(_positive(self.frequency_hz), "frequency_hz must be positive")
        require(_positive(self.time_s[~np.isnan(self.time_s)]), "time_s must be positive")
        require(bool(np.all(np.isfinite(self.time_s[energy]))), "energy_j needs its time_s")
        require(
            bool(np.all((self.wait_s >= 0.0) & np.isfinite(self.wait_s))),
            "wait_s must not be negative",
        )
        require(bool(np.all(energy | (self.wait_s == 0.0))), "wait_s belongs to energy_j")
        require(
            bool(np.all((self.idle_w >= 0.0) & np.isfinite(self.idle_w))),
            "idle_w must not be negative",
        )
        require(_positive(self.above_idle()), "what was measured must be above idle")

    def __len__(self) -> int:
        return len(self.frequency_hz)

    def is_energy(self) -> Booleans:
        """Whether a row has the energy of an inference."""
        return np.asarray(np.isfinite(self.energy_j), dtype=np.bool_)

    def above_idle(self) -> Floats:
        """What was measured, less idle: energy [J] where it is one, else power [W]."""
        spent = self.energy_j - self.idle_w * (self.time_s + self.wait_s)
        return np.where(self.is_energy(), spent, self.power_w - self.idle_w)

    def take(self, rows: Integers | Booleans) -> "PowerSamples":
        """Some of the rows."""
        return PowerSamples(
            **{field.name: getattr(self, field.name)[rows] for field in fields(self)}
        )


def power_samples(
    frequency_hz: Floats,
    *,
    time_s: Floats | None = None,
    energy_j: Floats | None = None,
    power_w: Floats | None = None,
    idle_w: Floats | float = 0.0,
    wait_s: Floats | None = None,
    workload: Integers | None = None,
    run: Integers | None = None,
) -> PowerSamples:
    """Samples of which only some columns are known."""
    rows = len(frequency_hz)
    unknown, nothing = np.full(rows, np.nan), np.zeros(rows)
    none = np.zeros(rows, dtype=np.int64)
    return PowerSamples(
        frequency_hz=frequency_hz,
        time_s=unknown if time_s is None else time_s,
        energy_j=unknown if energy_j is None else energy_j,
        power_w=unknown if power_w is None else power_w,
        idle_w=np.broadcast_to(np.asarray(idle_w, dtype=np.float64), (rows,)),
        wait_s=nothing if wait_s is None else wait_s,
        workload=none if workload is None else workload,
        run=none if run is None else run,
    )


def batched(samples: PowerSamples, clock: Floats) -> PowerSamples:
    """The same in few rows: of more than twenty in a row of one run, workload and clock, the means
    of ten consecutive batches.

    Neighbours resemble each other, so a long log is not as many independent samples; and energy is
    linear in time and waiting at a clock, so means fit the same law.

    Parameters
    ----------
    clock : (rows,) the clock that each row stands for.
    """
    alike = groups(
        np.arange(len(samples)),
        samples.run,
        samples.workload,
        clock,
        samples.is_energy().astype(np.int64),
        np.isfinite(samples.time_s).astype(np.int64),
    )
    batches = [
        batch
        for rows in alike
        for batch in (
            np.array_split(rows, BATCHES) if len(rows) > 2 * BATCHES else rows.reshape(-1, 1)
        )
    ]
    batches.sort(key=lambda rows: int(rows[0]))
    size = np.array([len(rows) for rows in batches])
    order, starts = np.concatenate(batches), np.concatenate([[0], np.cumsum(size)[:-1]])
    means = {
        name: np.add.reduceat(getattr(samples, name)[order], starts) / size
        for name in ("time_s", "energy_j", "power_w", "idle_w", "wait_s")
    }
    first = order[starts]
    return PowerSamples(
        frequency_hz=clock[first],
        workload=samples.workload[first],
        run=samples.run[first],
        **means,
    )


def _positive(values: Floats) -> bool:
    return bool(np.all((values > 0.0) & np.isfinite(values)))
