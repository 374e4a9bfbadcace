"""Request mapping of the multi-user family: JSON with its decibels goes in, SI arrays come
out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from app.plans.multiuser.radio import efficiency_of
from app.plans.multiuser.schemas import AdaptiveRequest, AdaptiveUser, MultiUserRequest
from app.plans.multiuser.sending import varies
from app.plans.multiuser.workload import LONGEST_S, Workload, table, workload
from app.plans.resolve import Deployment, Resolver, Source
from app.profiles.plausibility import warnings_of_shared_bandwidth
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.device import Device
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.server import Server
from solvers.multiuser.problem import Method, Problem, Steadiness
from solvers.multiuser.table import TableProblem

_LONG_DEADLINE_S = 10.0
SMALLEST_BANDWIDTH_HZ, LARGEST_BANDWIDTH_HZ = 1e-3, 1e15


@dataclass(slots=True)
class _Fleet:
    """What each user runs, every workload made once."""

    resolver: Resolver
    server: Source[Server] | None
    downlink_bps: float | None  # of results
    loss_weight: float
    workloads: list[Workload] = field(default_factory=list)
    runs: list[Deployment] = field(default_factory=list)  # of each workload
    sources: list[Source[Profile]] = field(default_factory=list)
    _made: dict[tuple[Deployment, float | None, bool], int] = field(default_factory=dict)

    def add(self, user: AdaptiveUser, where: str) -> tuple[int, Source[Device]] | None:
        """The user's workload and device; None where a fault says why not."""
        deployment = self.resolver.deployment(user, self.server, where)
        if deployment is None:
            return None
        most = user.deadline_s is not None and varies(deployment.model.body)
        key = deployment, user.frequency_hz, most
        if key not in self._made:
            self._made[key] = len(self.workloads)
            made = workload(deployment, user.frequency_hz, self.downlink_bps, deadline=most)
            self.workloads.append(made)
            self.runs.append(deployment)
            self.sources += deployment.sources
            self.resolver.figures |= made.figures
            self.resolver.faults += [fault.below(where) for fault in made.faults]
            self.resolver.warnings += [warning.below(where) for warning in made.warnings]
            if self.loss_weight == 0.0 and user.max_loss is None:
                self._warn_of_free_loss(made, where)
        if user.deadline_s is not None and user.deadline_s > _LONG_DEADLINE_S:
            detail = f"{user.deadline_s:g} s is long for an inference: is it milliseconds?"
            self.resolver.warn(f"{where}/deadline_s", detail)
        return self._made[key], deployment.device

    def _warn_of_free_loss(self, made: Workload, where: str) -> None:
        """Codecs whose loss neither costs anything nor has a limit."""
        losses = zip(made.codecs, made.columns["loss"].tolist(), strict=True)
        codec = next((codec for codec, loss in losses if codec is not None and loss > 0.0), None)
        if codec is not None:
            message = (
                f"codec {codec!r} of {made.model.name!r} loses accuracy, which costs nothing here:"
                " give weights.loss a weight, or max_loss"
            )
            self.resolver.warn(f"{where}/model", message)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A joint problem, with what its indices mean."""

    problem: Problem
    workloads: list[Workload]
    runs: list[Deployment]  # of each workload
    sources: list[Source[Profile]]


def assemble(request: MultiUserRequest, resolver: Resolver) -> Assembled | None:
    """Turn a request into a problem; None where `resolver.faults` says why not."""
    resolver.strict = bool(request.options.strict)
    channel = resolver.find(Channel, request.channel, "/channel")
    server = resolver.find(Server, request.server, "/server")
    if request.bandwidth_hz is not None:
        body = None if channel is None else channel.body
        for warning in warnings_of_shared_bandwidth("/bandwidth_hz", request.bandwidth_hz, body):
            resolver.warn(*warning)
    if channel is not None:
        _bandwidth_in_range(resolver, channel.body, request.bandwidth_hz)
        _round_trip_in_range(resolver, channel.body)
    downlink_bps = None if channel is None else channel.body.downlink_bps
    fleet = _Fleet(resolver, server, downlink_bps, request.weights.loss)
    workload_of, efficiency = [], []
    for n, user in enumerate(request.users):
        found = fleet.add(user, f"/users/{n}")
        if channel is None or found is None:
            continue
        workload_of.append(found[0])
        efficiency.append(efficiency_of(resolver, channel.body, found[1].body, user, f"/users/{n}"))
    _look_at_results(resolver, channel, fleet)
    if resolver.faults:
        return None
    assert channel is not None
    assert server is not None
    problem = Problem(
        bandwidth_hz=request.bandwidth_hz or channel.body.bandwidth_hz,
        server_flop_per_s=server.body.capacity_flop_per_s,
        latency_weight_per_s=request.weights.latency_per_s,
        loss_weight=request.weights.loss,
        network_s=channel.body.rtt_mean_s or 0.0,
        method=Method(request.options.method),
        workloads=table(fleet.workloads),
        workload=np.array(workload_of, dtype=np.int64),
        spectral_efficiency=np.array(efficiency),
        weight=np.array([user.weight for user in request.users]),
        deadline_s=_limits((user.deadline_s for user in request.users), np.inf),
        max_loss=_limits((user.max_loss for user in request.users), 1.0),
    )
    return Assembled(
        problem=problem,
        workloads=fleet.workloads,
        runs=fleet.runs,
        sources=[channel, server, *fleet.sources],
    )


def hold(
    assembled: Assembled,
    previous: Sequence[tuple[int, int, str | None] | None],
    max_switches: int,
) -> Assembled:
    """The same problem, in which at most so many users may leave the cut, bits and codec they had;
    None: had none.
    """
    problem = assembled.problem
    rows = [{had: row for row, had in enumerate(of.options)} for of in assembled.workloads]
    option = [
        -1 if had is None else rows[number].get(had, -1)
        for number, had in zip(problem.workload.tolist(), previous, strict=True)
    ]
    held = Steadiness(previous=np.array(option, dtype=np.int64), max_switches=max_switches)
    return replace(assembled, problem=replace(problem, steadiness=held))


@dataclass(frozen=True, slots=True)
class AssembledTables:
    """Table problems, each for all users that share it."""

    problems: list[TableProblem]
    workloads: list[Workload]  # of each problem
    runs: list[Deployment]  # of each problem
    problem_of: list[int]  # of each user
    sources: list[Source[Profile]]


def assemble_tables(request: AdaptiveRequest, resolver: Resolver) -> AssembledTables | None:
    """Turn a request into table problems; None where `resolver.faults` says why not."""
    resolver.strict = bool(request.options.strict)
    channel = (
        None if request.channel is None else resolver.find(Channel, request.channel, "/channel")
    )
    server = resolver.find(Server, request.server, "/server")
    if channel is not None:
        _round_trip_in_range(resolver, channel.body)
    downlink_bps = None if channel is None else channel.body.downlink_bps
    fleet = _Fleet(resolver, server, downlink_bps, request.weights.loss)
    numbers: dict[tuple[int, float, float], int] = {}
    problem_of = []
    for n, user in enumerate(request.users):
        found = fleet.add(user, f"/users/{n}")
        if found is None:
            continue
        deadline = np.inf if user.deadline_s is None else user.deadline_s
        key = found[0], deadline, 1.0 if user.max_loss is None else user.max_loss
        problem_of.append(numbers.setdefault(key, len(numbers)))
    _look_at_results(resolver, channel, fleet)
    if resolver.faults:
        return None
    assert server is not None
    problems = [
        TableProblem(
            latency_weight_per_s=request.weights.latency_per_s,
            loss_weight=request.weights.loss,
            network_s=(channel.body.rtt_mean_s or 0.0) if channel else 0.0,
            deadline_s=deadline,
            max_loss=max_loss,
            **fleet.workloads[number].columns,
        )
        for number, deadline, max_loss in numbers
    ]
    return AssembledTables(
        problems=problems,
        workloads=[fleet.workloads[number] for number, _, _ in numbers],
        runs=[fleet.runs[number] for number, _, _ in numbers],
        problem_of=problem_of,
        sources=[*([channel] if channel else []), server, *fleet.sources],
    )


def _look_at_results(resolver: Resolver, channel: Source[Channel] | None, fleet: _Fleet) -> None:
    """Results that come back over a downlink of which nobody knows how fast it is."""
    if fleet.downlink_bps is not None:
        return
    for made in fleet.workloads:
        if made.model.result_byte:
            why = (
                "no channel says how fast"
                if channel is None
                else f"{channel.body.name!r} has no downlink_bps"
            )
            resolver.warn(
                "/channel",
                f"results of {made.model.name!r} ({made.model.result_byte} byte) are taken to come"
                f" back in no time: {why}",
            )
            return


def _bandwidth_in_range(resolver: Resolver, channel: Channel, override_hz: float | None) -> None:
    low, high = SMALLEST_BANDWIDTH_HZ, LARGEST_BANDWIDTH_HZ
    bandwidth = override_hz or channel.bandwidth_hz
    if not low <= bandwidth <= high:
        pointer = "/channel" if override_hz is None else "/bandwidth_hz"
        resolver.fault(
            pointer, f"an uplink of {bandwidth:g} Hz cannot be shared: {low:g} to {high:g} Hz can"
        )


def _round_trip_in_range(resolver: Resolver, channel: Channel) -> None:
    if (channel.rtt_mean_s or 0.0) > LONGEST_S:
        resolver.fault(
            "/channel", f"rtt_mean_s is {channel.rtt_mean_s:g} s: at most {LONGEST_S:g} s"
        )


def _limits(values: Iterable[float | None], absent: float) -> np.typing.NDArray[np.float64]:
    return np.array([absent if value is None else value for value in values])
