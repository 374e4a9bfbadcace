"""From rows as they were sent to samples above idle at the clocks that ran."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.errors import FieldError, InvalidRequest
from app.measurements.power.schemas import PowerFile
from app.measurements.power.sheet import Collected, PowerRows, PowerSheet
from app.profiles.schemas.device import Device
from solvers.arrays import Booleans, Floats
from solvers.measurement.power_findings import PowerFinding
from solvers.measurement.power_samples import PowerSamples, batched
from solvers.measurement.samples import SAME_CLOCK, groups, nominal_hz

_ONE_CLOCK = 0.03  # a clock that was set once wanders by less while it is read
_MOST_RUNS = 2_000
_MOST_ROWS = 20_000  # that are fitted
_SAME_IDLE = 0.05  # idle power of a clock as near as this is taken for that of the clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Samples to be fitted, and what was found on the way."""

    samples: PowerSamples
    runs: tuple[str, ...]  # their names
    idle_power_w: float | None  # of the whole device
    found: list[PowerFinding]


def from_json(file: PowerFile) -> PowerSheet:
    """The samples of a body."""
    collected = Collected()
    places: list[str] = []
    inside: list[int] = []
    for n, session in enumerate(file.sessions):
        for m, one in enumerate(session.samples):
            constant = {
                name: value
                for name, value in (("frequency_hz", one.frequency_hz), ("idle_w", one.idle_w))
                if value is not None
            }
            for row in range(one.count):
                numbers = {
                    name: values[row]
                    for name in ("time_s", "energy_j", "power_w", "wait_s")
                    if (values := getattr(one, name)) is not None
                }
                collected.add(one.workload, str(n + 1), 0, constant | numbers)
                places.append(f"/sessions/{n}/samples/{m}")
                inside.append(row)
    workloads, runs = collected.names
    began = [session.started_at for session in file.sessions if session.started_at is not None]
    return PowerSheet(
        rows=collected.rows(),
        workloads=workloads,
        runs=runs,
        started_at=max(began) if began else None,
        part_of_device=file.part_of_device,
        places=tuple(places),
        inside=tuple(inside),
    )


def prepared(
    sheet: PowerSheet, device: Device | None, *, above_idle: bool, idle_power_w: float | None
) -> Prepared:
    """Idle taken off, clocks steadied, long runs as means.

    Without a device (nobody said which) clocks are what they are. Raises InvalidRequest.
    """
    clock = steadied(sheet.rows)
    idle, busy = sheet.idle(), ~sheet.idle()
    if not busy.any():
        raise InvalidRequest([FieldError("", "all samples are idle: measure while it computes")])
    found = [] if device is None else list(_misplaced(sheet, clock, busy, device))
    measured_idle = float(np.mean(sheet.rows.power_w[idle])) if idle.any() else None
    whole = measured_idle if not sheet.part_of_device else None
    said = idle_power_w if idle_power_w is not None else whole
    if above_idle:
        taken = np.zeros(len(clock))
    else:
        known = said if said is not None else _of_device(device, sheet, found, measured_idle)
        taken = _idle_w(sheet.rows, clock, idle, known if measured_idle is None else measured_idle)
    _above_idle(sheet, busy, taken)
    rows = sheet.rows.take(busy)
    levels = levels_of(device)
    many = len(sheet.runs) > _MOST_RUNS
    if many:
        detail = f"{len(sheet.runs)} runs are taken as one: name runs, to have them compared"
        found.append(PowerFinding("samples", "note", detail))
    samples = PowerSamples(
        frequency_hz=clock[busy],
        time_s=rows.time_s,
        energy_j=rows.energy_j,
        power_w=rows.power_w,
        idle_w=taken[busy],
        wait_s=rows.wait_s,
        workload=rows.workload,
        run=np.zeros_like(rows.run) if many else rows.run,
    )
    few = batched(samples, nominal_hz(clock[busy], levels))
    if len(few) > _MOST_ROWS:
        detail = (
            f"{len(few)} samples of different runs, workloads and clocks are more than the"
            f" {_MOST_ROWS} that are fitted: send them in several measurements"
        )
        raise InvalidRequest([FieldError("", detail)])
    runs = ("all",) if many else sheet.runs
    return Prepared(samples=few, runs=runs, idle_power_w=said, found=found)


def levels_of(device: Device | None) -> Floats | None:
    """The clocks that a device lists."""
    if device is None or device.frequency_levels_hz is None:
        return None
    return np.array(device.frequency_levels_hz)


def steadied(rows: PowerRows) -> Floats:
    """The clock of each row: readings of one run that follow each other within 3 % are one clock,
    their median.
    """
    clock = np.array(rows.frequency_hz)
    for own in groups(np.flatnonzero(np.isfinite(clock)), rows.run[np.isfinite(clock)]):
        order = own[np.argsort(clock[own], kind="stable")]
        values = clock[order]
        apart = np.flatnonzero(np.diff(values) > _ONE_CLOCK * values[:-1]) + 1
        for one in np.split(order, apart):
            clock[one] = np.median(clock[one])
    return clock


def _misplaced(
    sheet: PowerSheet, clock: Floats, busy: Booleans, device: Device
) -> Iterator[PowerFinding]:
    """Clocks that the device does not have: refused where all are."""
    low, high = device.frequency_min_hz, device.frequency_max_hz
    outside = busy & ((clock < low * (1.0 - SAME_CLOCK)) | (clock > high * (1.0 + SAME_CLOCK)))
    if not outside.any():
        return
    row = int(np.flatnonzero(outside)[0])
    detail = f"{clock[row]:.4g} Hz is no clock of {device.name!r} ({low:.4g} to {high:.4g} Hz)" + (
        ": is it in MHz?" if clock[row] < 1e-2 * low else ""
    )
    if outside[busy].all():
        raise InvalidRequest([FieldError(sheet.pointer(row, "frequency_hz"), detail)])
    yield PowerFinding("range", "warning", f"{int(outside.sum())} samples: {detail}")


def _of_device(
    device: Device | None, sheet: PowerSheet, found: list[PowerFinding], measured: float | None
) -> float | None:
    """Idle power by the profile, where nothing that came with the samples says it."""
    if measured is not None or np.isfinite(sheet.rows.idle_w[~sheet.idle()]).all():
        return None
    if device is not None and device.idle_power_w is not None and not sheet.part_of_device:
        detail = f"the profile's idle_power_w ({device.idle_power_w:g} W) is taken off"
        found.append(PowerFinding("idle", "note", detail))
        return device.idle_power_w
    detail = (
        "nothing says what the idle device draws, so the law contains it: send idle samples or"
        " idle_power_w, or say above_idle"
    )
    found.append(PowerFinding("idle", "warning", detail))
    return None


def _idle_w(rows: PowerRows, clock: Floats, idle: Booleans, otherwise: float | None) -> Floats:
    """What is taken off each row: its own, else what was measured at its clock, else the rest."""
    taken = np.full(len(clock), 0.0 if otherwise is None else otherwise)
    clocked = np.flatnonzero(idle & np.isfinite(clock))
    at_clock = groups(clocked, clock[clocked])
    if at_clock:
        clocks = np.array([clock[own[0]] for own in at_clock])
        power = np.array([float(np.mean(rows.power_w[own])) for own in at_clock])
        distance = np.abs(clock[:, None] - clocks[None, :]) / clocks
        nearest = np.argmin(np.nan_to_num(distance, nan=np.inf), axis=1)
        near = distance[np.arange(len(clock)), nearest] <= _SAME_IDLE
        taken[near] = power[nearest[near]]
    return np.where(np.isfinite(rows.idle_w), rows.idle_w, taken)


def _above_idle(sheet: PowerSheet, busy: Booleans, taken: Floats) -> None:
    """Refuse what draws no more than idle. Raises InvalidRequest."""
    rows = sheet.rows
    energy = np.isfinite(rows.energy_j)
    spent = np.where(
        energy, rows.energy_j - taken * (rows.time_s + rows.wait_s), rows.power_w - taken
    )
    wrong = np.flatnonzero(busy & ~(spent > 0.0))
    if len(wrong):
        row = int(wrong[0])
        name = "energy_j" if energy[row] else "power_w"
        idle = f"the {taken[row]:.4g} W of the idle device" if taken[row] > 0.0 else "nothing"
        raise InvalidRequest(
            [
                FieldError(
                    sheet.pointer(row, name),
                    f"is no more than {idle}: is its unit right, was it busy, or was idle taken off"
                    f" already (above_idle)? {len(wrong)} samples are so",
                )
            ]
        )
