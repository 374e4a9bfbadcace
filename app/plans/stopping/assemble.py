"""Request mapping of the stopping family: JSON with its decibels goes in, SI arrays come out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.plans.plausibility import radiated_power_taken
from app.plans.resolve import Deployment, Resolver, Source
from app.plans.schemas import INLINE_USERS
from app.plans.stopping.energy import EnergySource
from app.plans.stopping.medium import Medium
from app.plans.stopping.schemas import StoppingRequest, StoppingUser
from app.plans.stopping.workload import Network, Workload, table, workload
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning, Profile
from app.profiles.schemas.server import Server
from solvers.stopping.problem import (
    Problem,
    Rule,
    Waiting,
)

_MOST_POWER_W = 1e9


@dataclass(frozen=True, slots=True)
class Assembled:
    """A problem, with what its indices and numbers mean."""

    problem: Problem
    runs: list[Deployment]  # of each user
    frequency_hz: list[float]  # of each user
    energy_source: list[tuple[EnergySource, ...]]  # of each user, by cut
    in_rates: bool
    whole: bool  # whether all idle power counts
    sources: list[Source[Profile]]

    @property
    def models(self) -> list[Model]:
        """Of each user."""
        return [run.model.body for run in self.runs]


def assemble(request: StoppingRequest, resolver: Resolver) -> Assembled | None:
    """Turn a request into a problem; None where `resolver.faults` says why not."""
    resolver.strict = bool(request.options.strict)
    found = resolver.find(Channel, request.channel, "/channel")
    server = resolver.find(Server, request.server, "/server")
    if found is None:
        for n, user in enumerate(request.users):
            resolver.deployment(user, server, f"/users/{n}")
        return None
    fleet = _Fleet(request, resolver, Medium(request, resolver, found))
    for n, user in enumerate(request.users):
        deployment = resolver.deployment(user, server, f"/users/{n}")
        if deployment is not None:
            fleet.add(user, deployment, f"/users/{n}")
    fleet.medium.require_downlink(fleet.has_parameters, fleet.has_results)
    problem = None if resolver.faults else fleet.problem()
    if problem is None:
        return None
    assert server is not None
    return Assembled(
        problem=problem,
        runs=fleet.deployments,
        frequency_hz=[fleet.workloads[index].frequency_hz for index in fleet.workload_of],
        energy_source=[fleet.workloads[index].energy_source for index in fleet.workload_of],
        in_rates=fleet.medium.in_rates,
        whole=request.options.energy == "whole",
        sources=[found, server, *fleet.sources],
    )


class _Fleet:
    """The users of a request, each with its row of the table of workloads and its mean SNR."""

    def __init__(self, request: StoppingRequest, resolver: Resolver, medium: Medium) -> None:
        self.request, self.resolver, self.medium = request, resolver, medium
        self.network = Network(medium.channel.rtt_mean_s or 0.0, medium.downlink_bps)
        self.workloads: list[Workload] = []
        self.deployments: list[Deployment] = []
        self.workload_of: list[int] = []
        self._mean_snr: list[float] = []
        self._made: dict[tuple[Deployment, float | None], int] = {}

    @property
    def sources(self) -> Iterator[Source[Profile]]:
        """What the workloads rest on."""
        return (source for deployment, _ in self._made for source in deployment.sources)

    @property
    def has_parameters(self) -> bool:
        """Whether there is anything to place."""
        return any(
            not some.faults and some.columns["parameter_bit"][-1] > 0.0 for some in self.workloads
        )

    @property
    def has_results(self) -> bool:
        """Whether anything comes back from the edge."""
        return any(deployment.model.body.result_byte for deployment, _ in self._made)

    def add(self, user: StoppingUser, deployment: Deployment, where: str) -> None:
        """Take a user in, with what is wrong or doubtful about it."""
        resolver, kind = self.resolver, (deployment, user.frequency_hz)
        if kind not in self._made:
            made = workload(*kind, self.network, self.request.options.energy)
            self._made[kind] = len(self.workloads)
            self.workloads.append(made)
            resolver.faults += [fault.below(where) for fault in made.faults]
            resolver.warnings += [warning.below(where) for warning in made.warnings]
            _warn_of_powers(self.request, resolver, deployment, made, where)
        self.workload_of.append(self._made[kind])
        self.deployments.append(deployment)
        self._mean_snr.append(self.medium.mean_snr(user, where, deployment.device.body.tx_power_w))
        asked, model = self.request.options.placement, deployment.model.body
        told = any(fault.pointer == "/options/placement" for fault in resolver.faults)
        if asked is not None and asked >= len(model.cuts) and not told:
            detail = (
                f"{model.name!r}, which user {user.id!r} runs, has {len(model.cuts) - 1} layers to"
                f" place, not {asked}"
            )
            resolver.fault("/options/placement", detail)

    def problem(self) -> Problem | None:
        """The problem of all users; None where the resolver's faults say why there is none."""
        devices = [deployment.device.body for deployment in self.deployments]
        users, options = len(devices), self.request.options
        placement = options.placement
        return self.medium.problem(
            mean_snr=None if self.medium.in_rates else np.array(self._mean_snr),
            waiting=Waiting(options.waiting),
            rule=Rule(options.rule),
            nodes=options.nodes,
            clairvoyant=(
                users <= INLINE_USERS if options.clairvoyant is None else options.clairvoyant
            ),
            workloads=table(self.workloads),
            workload=np.array(self.workload_of, dtype=np.int64),
            tx_power_w=np.array([device.tx_power_w for device in devices]),
            radio_power_w=np.array(
                [
                    device.tx_power_w if device.radio is None else device.radio.active_power_w
                    for device in devices
                ]
            ),
            idle_power_w=np.zeros(users)
            if options.energy == "marginal"
            else np.array([device.idle_power_w or 0.0 for device in devices]),
            rx_power_w=np.array([device.rx_power_w or 0.0 for device in devices]),
            memory_byte=np.array(
                [np.inf if device.memory_byte is None else device.memory_byte for device in devices]
            ),
            placement=None if placement is None else np.full(users, placement, dtype=np.int64),
        )


def _warn_of_powers(
    request: StoppingRequest, resolver: Resolver, deployment: Deployment, made: Workload, where: str
) -> None:
    """Powers that are out of range, or missing where they would count."""
    device, energy = deployment.device.body, request.options.energy
    for field, value in _powers(device):
        if value is not None and value > _MOST_POWER_W:
            resolver.fault(f"{where}/device", f"{field} of {value:g} W cannot be planned with")
    if energy == "whole" and device.idle_power_w is None:
        inline = "" if deployment.device.revision is not None else "/idle_power_w"
        detail = (
            f"{device.name!r} has no idle_power_w, which options.energy whole counts: give it, or"
            " plan with marginal"
        )
        resolver.fault(f"{where}/device{inline}", detail)
    if request.weights.energy_per_j == 0.0 or made.faults:
        return
    told = list(radiated_power_taken(device))
    if device.idle_power_w is None and energy == "waiting" and made.columns["server_s"].any():
        message = (
            f"{device.name!r} has no idle_power_w: waiting for channel and edge is taken to need no"
            " energy"
        )
        told.append(FieldWarning(field="/device", message=message))
    if device.rx_power_w is None and made.columns["parameter_bit"].any():
        message = (
            f"{device.name!r} has no rx_power_w: receiving the layers is taken to need no energy"
        )
        told.append(FieldWarning(field="/device", message=message))
    resolver.warnings += [warning.below(where) for warning in told]


def _powers(device: Device) -> Iterator[tuple[str, float | None]]:
    for field in ("tx_power_w", "idle_power_w", "rx_power_w"):
        yield field, getattr(device, field)
    if device.radio is not None:
        yield "radio.active_power_w", device.radio.active_power_w
