"""Users of a kind: in one cell, with the same network on the same device and the same servers.

Everything but the radio and the deadline is the same for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from app.errors import FieldError
from app.plans.resolve import Deployment, Resolver, Source, Tier
from app.plans.robust.certified import Promise, certified
from app.plans.robust.columns import Users
from app.plans.robust.one_mode import of_one_mode
from app.plans.robust.schemas import RobustUser
from app.plans.robust.sites import Site
from app.plans.robust.workload import Terms, Workload, table, workload
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from app.samples.series import SeriesReader
from solvers.arrays import Integers
from solvers.margin import Margin
from solvers.robust.problem import Method

_FEW = 100  # which Python sorts sooner than numpy is called


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds of a request, and the workloads they run."""

    of: Integers  # (users,)
    workload: Integers  # (kinds,) -1: it cannot be planned with
    default_tx_power_w: NDArray[np.float64]  # (kinds,)
    active_power_w: NDArray[np.float64]  # (kinds,) of the radio; NaN where nobody knows
    made: list[Deployment] = field(default_factory=list)  # of each workload
    workloads: list[Workload] = field(default_factory=list)
    server_at: dict[Server, str] = field(default_factory=dict)
    """Where each server is first named."""

    def used_by(self, who: Integers) -> Integers:
        """The workloads that some users run, rising, but for what cannot be planned with."""
        return np.flatnonzero(np.bincount(self.workload[self.of[who]] + 1)[1:])


def kinds_of(
    users: Users, sites: Sequence[Site], resolver: Resolver, terms: Terms, method: Method
) -> Kinds:
    """The kinds of a request; faults and warnings go to the resolver."""
    lossy = users.max_loss > 0.0  # who says nothing accepts none
    alike = (users.cell * len(users.networks) + users.network) * 2 + lossy
    if terms.evidence is not None:  # what samples bound depends on the risk
        _, promised = np.unique(users.risk + 1j * users.correlation, return_inverse=True)
        alike = alike * (int(promised.max()) + 1) + promised
    firsts, of = _distinct(alike)
    reader = SeriesReader(resolver.library.samples)
    found = Kinds(of, np.full(len(firsts), -1), np.ones(len(firsts)), np.full(len(firsts), np.nan))
    known: dict[tuple[Deployment, Terms, Promise | None], int] = {}
    told: set[str] = set()
    for k in np.argsort(firsts).tolist():
        first = int(firsts[k])
        faults = len(resolver.faults)
        where = f"/users/{first}"
        network, site = users.networks[users.network[first]], sites[users.cell[first]]
        deployment = _deployment(network, site, resolver, where, found.server_at)
        if deployment is None:
            others = np.nonzero(of == k)[0][1:].tolist()
            _repeat(resolver, resolver.faults[faults:], where, others)
            continue
        promise = None
        if terms.evidence is not None:
            promise = Promise(float(users.risk[first]), float(users.correlation[first]))
        way = deployment, replace(terms, lossy=bool(lossy[first])), promise
        if way not in known:
            known[way] = len(found.workloads)
            made = workload(deployment, way[1])
            if promise is not None and not made.faults:
                made = certified(made, deployment, way[1], promise, reader)
            elif terms.margin is Margin.UNIMODAL and not made.faults:
                made = of_one_mode(made, deployment, reader)
            found.made.append(deployment)
            found.workloads.append(made)
            _tell(made, deployment, method, resolver, where, told)
        found.workload[k] = known[way]
        device = deployment.device.body
        found.default_tx_power_w[k] = device.tx_power_w
        if device.radio is not None:
            found.active_power_w[k] = device.radio.active_power_w
    return found


def _distinct(alike: Integers) -> tuple[Integers, Integers]:
    """Where each of the distinct numbers, rising, is first; and which of them each is."""
    if len(alike) > _FEW:
        return np.unique(alike, return_index=True, return_inverse=True)[1:]
    listed = alike.tolist()
    order = {number: k for k, number in enumerate(sorted(set(listed)))}
    return np.array([*map(listed.index, order)]), np.array([order[each] for each in listed])


def _tell(
    made: Workload,
    deployment: Deployment,
    method: Method,
    resolver: Resolver,
    where: str,
    told: set[str],
) -> None:
    """What is wrong with a workload, and what looks so."""
    for fault in made.faults:
        # What a stored profile lacks is not in the request.
        stored = fault.pointer.startswith("/device/") and deployment.device.revision is not None
        pointer = "/device" if stored else fault.pointer
        resolver.faults.append(FieldError(where + pointer, fault.detail))
    for warning in made.warnings:
        if warning.message not in told:  # of a device that runs many networks, once
            resolver.warnings.append(warning.below(where))
            told.add(warning.message)
    resolver.figures |= made.figures
    if method is Method.PCCP and not made.faults and not table([made]).free_clocks:
        detail = (
            "the pccp method plans free clocks only: this device has levels, so leave them"
            " out or plan exact"
        )
        resolver.fault(f"{where}/device", detail)


def _deployment(
    user: RobustUser, site: Site, resolver: Resolver, where: str, server_at: dict[Server, str]
) -> Deployment | None:
    """What a user runs, with every server it may use; None (and faults) where it cannot be told."""
    faults = len(resolver.faults)
    named = [(site.server, site.server_at)]
    if user.servers is not None:
        named = []
        for k, given in enumerate(user.servers):
            at = f"{where}/servers/{k}"
            named.append((resolver.find(Server, given, at), at))
    servers = [(server, at) for server, at in named if server is not None]
    if len(resolver.faults) > faults:
        servers = []
    if len(servers) > 1 and user.server_timing is not None:
        servers = _measured_first(user.server_timing, servers, resolver, where)
    deployment = resolver.deployment(user, servers[0][0] if servers else None, where)
    if deployment is None or len(resolver.faults) > faults:
        return None
    others = tuple(
        resolver.host(server, deployment.model, f"{where}/server_timing")
        for server, _ in servers[1:]
    )
    tiers = tuple(
        Tier(
            resolver.host(tier.server, deployment.model, f"{where}/server_timing"),
            tier.backhaul_bps,
            tier.backhaul_rtt_s,
        )
        for tier in site.tiers
    )
    _refuse_twice(servers, site, resolver)
    for server, at in (*servers, *((tier.server, tier.at) for tier in site.tiers)):
        server_at.setdefault(server.body, at)
    if len(resolver.faults) > faults:
        return None
    return replace(deployment, others=others, tiers=tiers)


def _refuse_twice(
    servers: list[tuple[Source[Server], str]], site: Site, resolver: Resolver
) -> None:
    """Servers that are listed twice, be it under two names."""
    seen: set[Server] = set()
    for server, at in servers:
        if server.body in seen:
            resolver.fault(at, "is listed before: name each server once")
        seen.add(server.body)
    for tier in site.tiers:
        if tier.server.body in seen:
            resolver.fault(tier.at, "is the users' own server: a tier is another one behind it")


def _measured_first(
    given: str | Timing,
    servers: list[tuple[Source[Server], str]],
    resolver: Resolver,
    where: str,
) -> list[tuple[Source[Server], str]]:
    """The servers with that first which a timing was measured on."""
    timing = resolver.find(Timing, given, f"{where}/server_timing")
    if timing is None:
        return []
    mine = [k for k, (server, _) in enumerate(servers) if server.body.name == timing.body.processor]
    if not mine:
        detail = f"timing {timing.body.name!r} is of {timing.body.processor!r}, none of the servers"
        resolver.fault(f"{where}/server_timing", detail)
        return []
    return [servers[mine[0]], *(s for k, s in enumerate(servers) if k != mine[0])]


def _repeat(resolver: Resolver, faults: list[FieldError], where: str, others: list[int]) -> None:
    """The faults of one user are those of all others who ask for the same."""
    for n in others:
        resolver.faults += [
            replace(fault, pointer=f"/users/{n}{fault.pointer.removeprefix(where)}")
            for fault in faults
            if fault.pointer.startswith(where)
        ]
