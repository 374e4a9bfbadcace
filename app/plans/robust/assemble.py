"""The customs house of the robust family: JSON with its decibels goes in, SI arrays come out."""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from app.plans.resolve import Dossier, Source
from app.plans.robust.schemas import RobustRequest, RobustUser
from app.profiles.schemas import Channel, Device, Model, Profile, Server, Timing, TimingCut
from solvers.moments import Margin
from solvers.robust.problem import Problem, Workloads

# The same clock, written by two people.
_SAME_CLOCK = 1e-6
_BITS = 8
_LONG_DEADLINE_S = 10.0
# Beyond these no radio works, and powers of ten run out of range.
_GAIN_DB = (-400.0, 100.0)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A problem, with what its indices and numbers mean."""

    problem: Problem
    models: list[Model]  # of each user
    sources: list[Source[Profile]]


def watts_per_hz(noise_psd_dbm_per_hz: float) -> float:
    """Noise density in W/Hz."""
    return float(10.0 ** ((noise_psd_dbm_per_hz - 30.0) / 10.0))


def decibels(ratio: float) -> float:
    """A power ratio in dB."""
    return 10.0 * math.log10(ratio)


def assemble(request: RobustRequest, dossier: Dossier) -> Assembled | None:
    """Turn a request into a problem; None where `dossier.faults` says why not."""
    channel = dossier.find(Channel, request.channel, "/channel")
    server = dossier.find(Server, request.server, "/server")
    margin = Margin(request.options.margin)
    if channel is not None and margin is Margin.WORST_CASE and (channel.body.rtt_variance_s2 or 0.0) > 0.0:
        dossier.fault("/channel", "the worst_case margin needs a channel whose rtt_variance_s2 is 0")

    table = _Table(dossier, server, margin)
    noise = watts_per_hz(channel.body.noise_psd_dbm_per_hz) if channel is not None else 0.0
    workload, models, power, gain = [], [], [], []
    for n, user in enumerate(request.users):
        where = f"/users/{n}"
        device = dossier.find(Device, user.device, f"{where}/device")
        model = dossier.find(Model, user.model, f"{where}/model")
        if channel is None or server is None or device is None or model is None:
            continue
        workload.append(table.workload(user, device, model, where))
        models.append(model.body)
        power.append(user.tx_power_w or device.body.tx_power_w)
        gain.append(_gain(dossier, user, channel.body, noise, power[-1], where))
        if user.deadline_s > _LONG_DEADLINE_S:
            dossier.warn(f"{where}/deadline_s", f"{user.deadline_s:g} s is long for an inference: is it milliseconds?")
    if dossier.faults:
        return None
    assert channel is not None
    assert server is not None
    problem = Problem(
        bandwidth_hz=request.bandwidth_hz or channel.body.bandwidth_hz,
        noise_w_per_hz=noise,
        margin=margin,
        network_mean_s=channel.body.rtt_mean_s or 0.0,
        network_variance_s2=channel.body.rtt_variance_s2 or 0.0,
        workloads=table.workloads(),
        workload=np.array(workload, dtype=np.int64),
        tx_power_w=np.array(power),
        gain=np.array(gain),
        deadline_s=np.array([user.deadline_s for user in request.users]),
        risk=np.array([user.risk for user in request.users]),
        correlation=np.array([user.correlation for user in request.users]),
    )
    return Assembled(problem=problem, models=models, sources=[channel, server, *table.sources])


def _gain(dossier: Dossier, user: RobustUser, channel: Channel, noise: float, power_w: float, where: str) -> float:
    """Channel power gain of a user, a pure number."""
    if user.gain_db is not None:
        pointer, gain_db = f"{where}/gain_db", user.gain_db
    elif user.distance_m is not None:
        pointer = f"{where}/distance_m"
        if channel.path_loss is None:
            dossier.fault(pointer, f"channel {channel.name!r} has no path_loss: give gain_db instead")
            return 0.0
        gain_db = channel.path_loss.gain_db(user.distance_m)
    else:
        assert user.snr_reference is not None
        pointer, snr = f"{where}/snr_reference", user.snr_reference
        gain_db = snr.snr_db + decibels(noise) + decibels(snr.bandwidth_hz) - decibels(power_w)
    if not _GAIN_DB[0] <= gain_db <= _GAIN_DB[1]:
        dossier.fault(pointer, f"means a gain of {gain_db:.0f} dB, outside {_GAIN_DB[0]:.0f}..{_GAIN_DB[1]:.0f} dB")
        return 0.0
    if gain_db > 0.0:
        dossier.warn(pointer, f"means a gain of {gain_db:.1f} dB: more power arrives than was sent")
    return float(10.0 ** (gain_db / 10.0))


@dataclass(frozen=True, slots=True)
class _Clock:
    """A clock, or a range of clocks, at which the device may run a cut."""

    clock_min_hz: float
    clock_max_hz: float
    cycles: float
    overhead_s: float
    device_variance_s2: float
    device_variance_low_s2: float
    device_excess_s: float


@dataclass(frozen=True, slots=True)
class _AfterCut:
    """What the uplink and the server have to do."""

    crossing_bit: float
    server_mean_s: float
    server_variance_s2: float
    server_excess_s: float


@dataclass(frozen=True, slots=True)
class _Row:
    """One option of a workload."""

    cut: int
    fits_memory: bool
    clock: _Clock
    after: _AfterCut


class _Table:
    """The workloads of a request: users with the same profiles share one."""

    def __init__(self, dossier: Dossier, server: Source[Server] | None, margin: Margin) -> None:
        self._dossier = dossier
        self._server = server
        self._margin = margin
        self._index: dict[tuple[int, ...], int] = {}
        self._rows: list[list[_Row]] = []
        self._kappa: list[float] = []
        self.sources: list[Source[Profile]] = []

    def workload(self, user: RobustUser, device: Source[Device], model: Source[Model], where: str) -> int:
        """Index of the user's workload; -1 with a fault where it cannot be made."""
        assert self._server is not None
        dossier = self._dossier
        before = len(dossier.faults)
        of_device = dossier.timing(user.device_timing, device, model, f"{where}/device_timing")
        of_server = dossier.timing(user.server_timing, self._server, model, f"{where}/server_timing")
        if len(dossier.faults) > before:
            return -1
        if of_device is None:
            dossier.fault(
                f"{where}/device_timing",
                f"no timing of {device.body.name!r} with {model.body.name!r} is stored: give one, "
                "a device's speed is never invented",
            )
            return -1
        key = (id(device), id(model), id(of_device), id(of_server))
        if key not in self._index:
            rows = list(self._options(device.body, model.body, of_device.body, of_server, where))
            if len(dossier.faults) > before:
                return -1
            self._index[key] = len(self._rows)
            self._rows.append(rows)
            self._kappa.append(device.body.power_coefficient_w_per_hz3)
            self.sources += [s for s in (device, model, of_device, of_server) if s is not None]
        return self._index[key]

    def _options(
        self, device: Device, model: Model, timing: Timing, server: Source[Timing] | None, where: str
    ) -> list[_Row]:
        assert self._server is not None
        capacity = self._server.body.capacity_flop_per_s
        if server is None:
            self._dossier.warn(
                f"{where}/server_timing",
                f"no timing of {self._server.body.name!r} with {model.name!r} is stored: the server's time is taken "
                "as remaining flop over capacity, without variance",
            )
        rows: list[_Row] = []
        largest = max(cut.feature_byte for cut in model.cuts)
        if device.memory_byte is not None and largest > device.memory_byte:
            self._dossier.warn(
                f"{where}/model",
                f"a feature of {model.name!r} ({largest} byte) is larger than the memory of {device.name!r} "
                f"({device.memory_byte} byte)",
            )
        for m, (cut, entry) in enumerate(zip(model.cuts, timing.cuts, strict=True)):
            if server is None:
                server_mean, server_variance = (model.cuts[-1].flop - cut.flop) / capacity, 0.0
                server_worst = None
            else:
                after = server.body.cuts[m]
                assert after.mean_s is not None
                server_mean, server_variance = after.mean_s, after.variance_s2 or 0.0
                server_worst = after.worst_s
            excess = self._excess(server_worst, server_mean, server_variance, f"{where}/server_timing", m)
            fits = device.memory_byte is None or cut.parameter_byte <= device.memory_byte
            clocks = self._clocks(device, cut.flop, entry, f"{where}/device_timing", m)
            if not clocks:
                self._dossier.fault(
                    f"{where}/device_timing",
                    f"cut {m} has neither flop_per_cycle nor a level at a clock of {device.name!r}",
                )
            after_cut = _AfterCut(float(_BITS * cut.feature_byte), server_mean, server_variance, excess)
            rows += [_Row(m, fits, clock, after_cut) for clock in clocks]
        return rows

    def _clocks(self, device: Device, flop: int, entry: TimingCut, pointer: str, m: int) -> list[_Clock]:
        """The clocks a cut can run at: measured levels where there are any, the fit elsewhere."""
        cycles = flop / entry.flop_per_cycle if entry.flop_per_cycle is not None and flop > 0 else 0.0
        overhead = entry.overhead_s or 0.0
        measured = entry.levels or ()
        variances = [level.variance_s2 for level in measured]
        if entry.variance_s2 is not None:
            variances.append(entry.variance_s2)
        high, low = max(variances), min(variances)
        fitted = entry.flop_per_cycle is not None
        if fitted and device.frequency_levels_hz is None:
            residual = self._excess(entry.worst_s, 0.0, high, pointer, m)
            return [_Clock(device.frequency_min_hz, device.frequency_max_hz, cycles, overhead, high, low, residual)]
        clocks = []
        for clock in device.frequency_levels_hz or [level.frequency_hz for level in measured]:
            if not device.frequency_min_hz <= clock <= device.frequency_max_hz:
                continue
            level = next((some for some in measured if abs(some.frequency_hz - clock) <= _SAME_CLOCK * clock), None)
            if level is not None:
                worst = self._excess(level.worst_s, level.mean_s, level.variance_s2, pointer, m)
                variance = level.variance_s2
                clocks.append(_Clock(clock, clock, 0.0, level.mean_s, variance, variance, worst))
            elif fitted:
                residual = self._excess(entry.worst_s, 0.0, high, pointer, m)
                clocks.append(_Clock(clock, clock, 0.0, cycles / clock + overhead, high, high, residual))
        return clocks

    def _excess(self, worst_s: float | None, mean_s: float, variance_s2: float, pointer: str, m: int) -> float:
        """Largest observed time beyond the mean; a time without variance has none."""
        if worst_s is not None:
            return max(worst_s - mean_s, 0.0)
        if variance_s2 == 0.0:
            return 0.0
        if self._margin is Margin.WORST_CASE:
            self._dossier.fault(pointer, f"the worst_case margin needs worst_s, which cut {m} does not have")
        return math.nan

    def workloads(self) -> Workloads:
        """All workloads as one table."""
        rows = [row for group in self._rows for row in group]

        def columns(kind: type, part: str) -> dict[str, NDArray[np.float64]]:
            return {
                name: np.array([getattr(getattr(row, part), name) for row in rows], dtype=np.float64)
                for name in (field.name for field in fields(kind))
            }

        return Workloads(
            first=np.cumsum([0, *(len(group) for group in self._rows)]),
            power_coefficient_w_per_hz3=np.array(self._kappa),
            cut=np.array([row.cut for row in rows], dtype=np.int64),
            fits_memory=np.array([row.fits_memory for row in rows], dtype=np.bool_),
            **columns(_Clock, "clock"),
            **columns(_AfterCut, "after"),
        )
