"""The customs house of the robust family: JSON with its decibels goes in, SI arrays come out."""

import math
from dataclasses import dataclass

import numpy as np

from app.plans.resolve import Dossier, Source
from app.plans.robust.schemas import RobustRequest, RobustUser
from app.plans.robust.workload import Workload, table, workload
from app.profiles.schemas import Channel, Device, Model, Profile, Server
from solvers.moments import Margin
from solvers.robust.problem import Problem, Workloads

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

    workloads = _Workloads(dossier, server, margin)
    noise = watts_per_hz(channel.body.noise_psd_dbm_per_hz) if channel is not None else 0.0
    workload_of, models, power, gain = [], [], [], []
    for n, user in enumerate(request.users):
        where = f"/users/{n}"
        device = dossier.find(Device, user.device, f"{where}/device")
        model = dossier.find(Model, user.model, f"{where}/model")
        if channel is None or server is None or device is None or model is None:
            continue
        workload_of.append(workloads.workload(user, device, model, where))
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
        workloads=workloads.table(),
        workload=np.array(workload_of, dtype=np.int64),
        tx_power_w=np.array(power),
        gain=np.array(gain),
        deadline_s=np.array([user.deadline_s for user in request.users]),
        risk=np.array([user.risk for user in request.users]),
        correlation=np.array([user.correlation for user in request.users]),
    )
    return Assembled(problem=problem, models=models, sources=[channel, server, *workloads.sources])


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


class _Workloads:
    """The workloads of a request: users with the same profiles share one."""

    def __init__(self, dossier: Dossier, server: Source[Server] | None, margin: Margin) -> None:
        self._dossier = dossier
        self._server = server
        self._margin = margin
        self._index: dict[tuple[int, ...], int] = {}
        self._workloads: list[Workload] = []
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
            after = of_server.body if of_server else None
            made = workload(device.body, model.body, of_device.body, self._server.body, after, self._margin)
            dossier.faults += [fault.below(where) for fault in made.faults]
            dossier.warnings += [warning.below(where) for warning in made.warnings]
            self._index[key] = len(self._workloads)
            self._workloads.append(made)
            self.sources += [source for source in (device, model, of_device, of_server) if source is not None]
        return self._index[key]

    def table(self) -> Workloads:
        """All workloads as one table."""
        return table(self._workloads)
