"""Request mapping of the robust family: JSON with its decibels goes in, SI arrays come out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.errors import FieldError
from app.plans import units
from app.plans.resolve import Deployment, Resolver, Source
from app.plans.robust.columns import Users
from app.plans.robust.schemas import PCCP_USERS, RobustTerms
from app.plans.robust.workload import Workload, table, workload
from app.profiles.plausibility import warnings_of_bandwidth, warnings_of_tx_power
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.server import Server
from solvers.arrays import Integers
from solvers.margin import Margin
from solvers.robust.problem import Method, Problem

_LONG_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Cell:
    """The problem of one cell, with what its rows and numbers mean."""

    id: str | None  # None: the request is one cell without a name
    users: Integers  # positions in the request, rising
    problem: Problem
    models: Sequence[Model]  # of each workload


@dataclass(frozen=True, slots=True)
class Assembled:
    """The problems of a request, one per cell that has users: nothing couples them."""

    ids: Sequence[str]  # of all users
    cells: Sequence[Cell]
    sources: list[Source[Profile]]

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.ids)

    @property
    def options(self) -> int:
        """Combinations of user, cut and clock level to choose from."""
        return sum(
            int(np.diff(cell.problem.workloads.first)[cell.problem.workload].sum())
            for cell in self.cells
        )


@dataclass(frozen=True, slots=True)
class _Site:
    """A cell as the request describes it, its defaults filled in."""

    id: str | None
    channel: Source[Channel] | None
    channel_at: str
    server: Source[Server] | None
    bandwidth_hz: float | None  # None: the channel's


def assemble(terms: RobustTerms, users: Users, resolver: Resolver) -> Assembled | None:
    """Turn a request into its problems; None where `resolver.faults` says why not."""
    margin, method = Margin(terms.options.margin), Method(terms.options.method)
    sites = list(_sites(terms, resolver, margin))
    kinds = _kinds(users, sites, resolver, margin, method)
    power = np.where(
        np.isnan(users.tx_power_w), kinds.default_tx_power_w[kinds.of], users.tx_power_w
    )
    members = _members(users.cell, len(sites))
    gain = _gain(users, sites, members, kinds, power, resolver, method)
    _warn_of_users(resolver, users)
    if resolver.faults:
        return None
    planned = [(site, who) for site, who in zip(sites, members, strict=True) if len(who)]
    cells = [
        _cell(
            users,
            site,
            who,
            kinds.workloads,
            kinds.workload[kinds.of[who]],
            list(kinds.made),
            power[who],
            gain[who],
            margin,
            method,
        )
        for site, who in planned
    ]
    radios = dict.fromkeys(
        source for site, _ in planned for source in (site.channel, site.server) if source
    )
    return Assembled(
        ids=users.ids,
        cells=cells,
        sources=[*radios, *(source for deployment in kinds.made for source in deployment.sources)],
    )


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Kinds of users: of one cell, with the same network on the same device. Everything but the
    radio is the same for them.
    """

    of: Integers  # (users,)
    workload: Integers  # (kinds,) -1: it cannot be planned with
    default_tx_power_w: NDArray[np.float64]  # (kinds,)
    made: dict[Deployment, int]  # each with its workload
    workloads: list[Workload]


def _kinds(
    users: Users, sites: Sequence[_Site], resolver: Resolver, margin: Margin, method: Method
) -> _Kinds:
    _, firsts, of = np.unique(
        users.cell * len(users.networks) + users.network, return_index=True, return_inverse=True
    )
    found = _Kinds(of, np.full(len(firsts), -1), np.ones(len(firsts)), {}, [])
    for k in np.argsort(firsts).tolist():
        first = int(firsts[k])
        faults = len(resolver.faults)
        where = f"/users/{first}"
        deployment = resolver.deployment(
            users.networks[users.network[first]], sites[users.cell[first]].server, where
        )
        if deployment is None:
            others = np.nonzero(of == k)[0][1:].tolist()
            _repeat(resolver, resolver.faults[faults:], where, others)
            continue
        if deployment not in found.made:
            found.made[deployment] = len(found.workloads)
            made = workload(deployment, margin)
            found.workloads.append(made)
            resolver.faults += [fault.below(where) for fault in made.faults]
            resolver.warnings += [warning.below(where) for warning in made.warnings]
            if method is Method.PCCP and not made.faults and not table([made]).free_clocks:
                detail = (
                    "the pccp method plans free clocks only: this device has levels, so leave them"
                    " out or plan exact"
                )
                resolver.fault(f"{where}/device", detail)
        found.workload[k] = found.made[deployment]
        found.default_tx_power_w[k] = deployment.device.body.tx_power_w
    return found


def _gain(
    users: Users,
    sites: Sequence[_Site],
    members: Sequence[Integers],
    kinds: _Kinds,
    power_w: NDArray[np.float64],
    resolver: Resolver,
    method: Method,
) -> NDArray[np.float64]:
    """Gains (users,) on each cell's channel; 0 with a fault, or a warning, where there is none."""
    gain = np.zeros(len(power_w))
    for c, (site, who) in enumerate(zip(sites, members, strict=True)):
        if method is Method.PCCP and len(who) > PCCP_USERS:
            detail = (
                f"the pccp method is a reference for cells of at most {PCCP_USERS} users: plan"
                " exact"
            )
            resolver.fault("/options/method", detail)
        if len(who) == 0:
            resolver.warn(f"/cells/{c}", f"no user is in the cell {site.id!r}: it is not planned")
        known = who[kinds.workload[kinds.of[who]] >= 0]
        if site.channel is not None and len(known):
            gain[known] = _gains(resolver, site.channel.body, users, known, power_w)
    return gain


def _sites(terms: RobustTerms, resolver: Resolver, margin: Margin) -> Iterator[_Site]:
    """The cells of a request; one without a name where it lists none."""
    channel = None if terms.channel is None else resolver.find(Channel, terms.channel, "/channel")
    server = None if terms.server is None else resolver.find(Server, terms.server, "/server")
    if terms.bandwidth_hz is not None:
        for warning in warnings_of_bandwidth("/bandwidth_hz", terms.bandwidth_hz):
            resolver.warn(*warning)
    if terms.cells is None:
        sites = [_Site(None, channel, "/channel", server, terms.bandwidth_hz)]
    else:
        sites = []
        for c, cell in enumerate(terms.cells):
            where = f"/cells/{c}"
            its_channel, its_server, at = channel, server, "/channel"
            if cell.channel is not None:
                its_channel, at = (
                    resolver.find(Channel, cell.channel, f"{where}/channel"),
                    f"{where}/channel",
                )
            if cell.server is not None:
                its_server = resolver.find(Server, cell.server, f"{where}/server")
            if cell.bandwidth_hz is not None:
                for warning in warnings_of_bandwidth(f"{where}/bandwidth_hz", cell.bandwidth_hz):
                    resolver.warn(*warning)
            sites.append(
                _Site(cell.id, its_channel, at, its_server, cell.bandwidth_hz or terms.bandwidth_hz)
            )
    if margin is Margin.WORST_CASE:
        for at, radio in {site.channel_at: site.channel for site in sites}.items():
            if radio is not None and (radio.body.rtt_variance_s2 or 0.0) > 0.0:
                resolver.fault(
                    at, "the worst_case margin needs a channel whose rtt_variance_s2 is 0"
                )
    yield from sites


def _repeat(resolver: Resolver, faults: list[FieldError], where: str, others: list[int]) -> None:
    """The faults of one user are those of all others who ask for the same."""
    for n in others:
        resolver.faults += [
            replace(fault, pointer=f"/users/{n}{fault.pointer.removeprefix(where)}")
            for fault in faults
        ]


def _members(cell: Integers, cells: int) -> list[Integers]:
    """The users of each cell, in the order of the request."""
    order = np.argsort(cell, kind="stable")
    return np.split(order, np.cumsum(np.bincount(cell, minlength=cells))[:-1])


def _gains(
    resolver: Resolver, channel: Channel, users: Users, who: Integers, power_w: NDArray[np.float64]
) -> NDArray[np.float64]:
    return units.gains(
        resolver,
        channel,
        who,
        gain_db=users.gain_db[who],
        distance_m=users.distance_m[who],
        snr_db=users.snr_db[who],
        snr_bandwidth_hz=users.snr_bandwidth_hz[who],
        tx_power_w=power_w[who],
    )


def _warn_of_users(resolver: Resolver, users: Users) -> None:
    given = np.isfinite(users.tx_power_w)
    for power_w in np.unique(users.tx_power_w[given]).tolist():
        if any(warnings_of_tx_power("", power_w)):
            for n in np.nonzero(users.tx_power_w == power_w)[0].tolist():
                for warning in warnings_of_tx_power(f"/users/{n}/tx_power_w", power_w):
                    resolver.warn(*warning)
    for n in np.nonzero(users.deadline_s > _LONG_DEADLINE_S)[0].tolist():
        said = f"{users.deadline_s[n]:g} s is long for an inference: is it milliseconds?"
        resolver.warn(f"/users/{n}/deadline_s", said)


def _cell(
    users: Users,
    site: _Site,
    who: Integers,
    workloads: list[Workload],
    workload_of: Integers,
    deployments: list[Deployment],
    tx_power_w: NDArray[np.float64],
    gain: NDArray[np.float64],
    margin: Margin,
    method: Method,
) -> Cell:
    """One cell's rows, with a table of its own workloads only."""
    assert site.channel is not None
    channel = site.channel.body
    used, local = np.unique(workload_of, return_inverse=True)
    problem = Problem(
        bandwidth_hz=site.bandwidth_hz or channel.bandwidth_hz,
        noise_w_per_hz=units.watts_per_hz(channel.noise_psd_dbm_per_hz),
        margin=margin,
        method=method,
        network_mean_s=channel.rtt_mean_s or 0.0,
        network_variance_s2=channel.rtt_variance_s2 or 0.0,
        workloads=table([workloads[k] for k in used]),
        workload=local,
        tx_power_w=tx_power_w,
        gain=gain,
        deadline_s=users.deadline_s[who],
        risk=users.risk[who],
        correlation=users.correlation[who],
    )
    return Cell(site.id, who, problem, [deployments[k].model.body for k in used])
