"""The customs house of the robust family: JSON with its decibels goes in, SI arrays come out."""

from dataclasses import dataclass

import numpy as np

from app.plans import units
from app.plans.resolve import Dossier, Ensemble, Source
from app.plans.robust.schemas import RobustRequest
from app.plans.robust.workload import Workload, table, workload
from app.profiles.plausibility import doubts_of_bandwidth, doubts_of_tx_power
from app.profiles.schemas import Channel, Model, Profile, Server
from solvers.moments import Margin
from solvers.robust.problem import Problem

_LONG_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Assembled:
    """A problem, with what its indices and numbers mean."""

    problem: Problem
    models: list[Model]  # of each user
    sources: list[Source[Profile]]


def assemble(request: RobustRequest, dossier: Dossier) -> Assembled | None:
    """Turn a request into a problem; None where `dossier.faults` says why not."""
    channel = dossier.find(Channel, request.channel, "/channel")
    server = dossier.find(Server, request.server, "/server")
    margin = Margin(request.options.margin)
    if channel is not None and margin is Margin.WORST_CASE and (channel.body.rtt_variance_s2 or 0.0) > 0.0:
        dossier.fault("/channel", "the worst_case margin needs a channel whose rtt_variance_s2 is 0")

    if request.bandwidth_hz is not None:
        for doubt in doubts_of_bandwidth("/bandwidth_hz", request.bandwidth_hz):
            dossier.warn(*doubt)

    made: dict[Ensemble, int] = {}
    workloads: list[Workload] = []
    workload_of, models, power, gains = [], [], [], []
    for n, user in enumerate(request.users):
        where = f"/users/{n}"
        ensemble = dossier.ensemble(user, server, where)
        if channel is None or ensemble is None:
            continue
        if ensemble not in made:
            made[ensemble] = len(workloads)
            workloads.append(workload(ensemble, margin))
            dossier.faults += [fault.below(where) for fault in workloads[-1].faults]
            dossier.warnings += [warning.below(where) for warning in workloads[-1].warnings]
        workload_of.append(made[ensemble])
        models.append(ensemble.model.body)
        power.append(user.tx_power_w or ensemble.device.body.tx_power_w)
        gains.append(
            units.gain(
                dossier,
                channel.body,
                where,
                gain_db=user.gain_db,
                distance_m=user.distance_m,
                snr_reference=user.snr_reference,
                tx_power_w=power[-1],
            )
        )
        if user.tx_power_w is not None:
            for doubt in doubts_of_tx_power(f"{where}/tx_power_w", user.tx_power_w):
                dossier.warn(*doubt)
        if user.deadline_s > _LONG_DEADLINE_S:
            dossier.warn(f"{where}/deadline_s", f"{user.deadline_s:g} s is long for an inference: is it milliseconds?")
    if dossier.faults:
        return None
    assert channel is not None
    assert server is not None
    problem = Problem(
        bandwidth_hz=request.bandwidth_hz or channel.body.bandwidth_hz,
        noise_w_per_hz=units.watts_per_hz(channel.body.noise_psd_dbm_per_hz),
        margin=margin,
        network_mean_s=channel.body.rtt_mean_s or 0.0,
        network_variance_s2=channel.body.rtt_variance_s2 or 0.0,
        workloads=table(workloads),
        workload=np.array(workload_of, dtype=np.int64),
        tx_power_w=np.array(power),
        gain=np.array(gains),
        deadline_s=np.array([user.deadline_s for user in request.users]),
        risk=np.array([user.risk for user in request.users]),
        correlation=np.array([user.correlation for user in request.users]),
    )
    return Assembled(
        problem=problem,
        models=models,
        sources=[channel, server, *(source for ensemble in made for source in ensemble.sources)],
    )
