"""Request mapping of the robust family: JSON with its decibels goes in, SI arrays come out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.plans import units
from app.plans.resolve import Resolver, Source
from app.plans.robust.cells import Cell, Radio, cell_of, servers_of
from app.plans.robust.certified import evidence_of
from app.plans.robust.columns import Users
from app.plans.robust.kinds import Kinds, kinds_of
from app.plans.robust.schemas import PCCP_USERS, RobustTerms
from app.plans.robust.sites import Site, sites
from app.plans.robust.workload import Terms
from app.profiles.plausibility import (
    warnings_of_bandwidth,
    warnings_of_max_loss,
    warnings_of_rate,
    warnings_of_risk,
    warnings_of_snr,
    warnings_of_tx_power,
)
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.server import Server
from solvers.arrays import Floats, Integers
from solvers.margin import Margin
from solvers.robust.problem import Method

_LONG_DEADLINE_S = 10.0
_FEW = 100  # which Python sorts sooner than numpy is called


@dataclass(frozen=True, slots=True)
class Assembled:
    """The problems of a request, one per cell that has users: nothing couples them."""

    ids: Sequence[str]  # of all users
    cells: Sequence[Cell]
    sources: list[Source[Profile]]
    value: Floats  # (users,) what serving each is worth

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.ids)

    @property
    def options(self) -> int:
        """Combinations of user, cut, codec, clock level and server to choose from."""
        return sum(
            int(np.diff(cell.problem.workloads.first)[cell.problem.workload].sum())
            for cell in self.cells
        )


@dataclass(frozen=True, slots=True)
class Planned:
    """A cell that has users."""

    site: Site
    who: Integers  # positions in the request
    used: Integers  # workloads of these


def assemble(terms: RobustTerms, users: Users, resolver: Resolver) -> Assembled | None:
    """Turn a request into its problems; None where `resolver.faults` says why not."""
    resolver.strict = bool(terms.options.strict)
    method = Method(terms.options.method)
    evidence = evidence_of(terms.options)
    asked = Terms(
        margin=Margin(terms.options.margin) if evidence is None else Margin.MEASURED,
        evidence=evidence,
        energy=terms.options.energy,
        streams=bool(np.any(np.isfinite(users.rate_hz))),
    )
    places = sites(terms, resolver, asked.margin)
    kinds = kinds_of(users, places, resolver, asked, method)
    power = np.where(
        np.isnan(users.tx_power_w), kinds.default_tx_power_w[kinds.of], users.tx_power_w
    )
    members = _members(users.cell, len(places))
    gain = _gain(users, places, members, kinds, power, resolver, method)
    radio = Radio(power, kinds.active_power_w[kinds.of], gain)
    _warn_of_users(resolver, users)
    planned = [
        Planned(site, who, kinds.used_by(who))
        for site, who in zip(places, members, strict=True)
        if len(who)
    ]
    _look_at_servers(resolver, planned, kinds, streams=asked.streams)
    _look_at_results(resolver, planned, kinds)
    if resolver.faults:
        return None
    used = {server for deployment in kinds.made for server in deployment.servers}
    shared: dict[Source[Profile], None] = {}
    for site in (one.site for one in planned):
        if site.channel is not None:
            shared[site.channel] = None
        if site.server in used:
            shared[site.server] = None
    return Assembled(
        ids=users.ids,
        cells=[
            cell_of(users, one.site, one.who, one.used, kinds, radio, asked, method)
            for one in planned
        ],
        sources=[*shared, *(source for deployment in kinds.made for source in deployment.sources)],
        value=np.where(np.isnan(users.value), 1.0, users.value),
    )


def _gain(
    users: Users,
    places: Sequence[Site],
    members: Sequence[Integers],
    kinds: Kinds,
    power_w: NDArray[np.float64],
    resolver: Resolver,
    method: Method,
) -> NDArray[np.float64]:
    """Gains (users,) on each cell's channel; 0 with a fault, or a warning, where there is none."""
    gain = np.zeros(len(power_w))
    for c, (site, who) in enumerate(zip(places, members, strict=True)):
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
    for name, values, warnings in (
        ("tx_power_w", users.tx_power_w, warnings_of_tx_power),
        ("rate_hz", users.rate_hz, warnings_of_rate),
        ("risk", users.risk, warnings_of_risk),
        ("max_loss", users.max_loss, warnings_of_max_loss),
        ("snr_reference/snr_db", users.snr_db, warnings_of_snr),
        ("snr_reference/bandwidth_hz", users.snr_bandwidth_hz, warnings_of_bandwidth),
    ):
        for value in _distinct(values[np.isfinite(values)]):
            if any(warnings("", value)):
                for n in np.nonzero(values == value)[0].tolist():
                    for warning in warnings(f"/users/{n}/{name}", value):
                        resolver.warn(*warning)
    for n in np.nonzero(users.deadline_s > _LONG_DEADLINE_S)[0].tolist():
        said = f"{users.deadline_s[n]:g} s is long for an inference: is it milliseconds?"
        resolver.warn(f"/users/{n}/deadline_s", said)


def _distinct(values: Floats) -> list[float]:
    """Different values, rising."""
    few = len(values) <= _FEW
    return sorted(set(values.tolist())) if few else np.unique(values).tolist()


def _look_at_servers(
    resolver: Resolver,
    planned: Sequence[Planned],
    kinds: Kinds,
    *,
    streams: bool,
) -> None:
    """Budgets that nobody can hold, or that cells would share; names that mean two servers."""
    of_cell: dict[Server, int] = {}
    named: dict[str, Server] = {}
    for c, one in enumerate(planned):
        for server, ref in servers_of(kinds, one.used).items():
            at = kinds.server_at[server]
            if named.setdefault(ref, server) != server:
                resolver.fault(
                    at, f"another server of this request is named {server.name!r} too: rename one"
                )
            if server.budget is None:
                continue
            if not streams and server not in of_cell:
                resolver.warn(
                    at,
                    f"{server.name!r} works on {server.parallel} inferences at once, but no user"
                    " says rate_hz: it is counted as endless",
                )
            if streams and of_cell.get(server, c) != c:
                resolver.fault(
                    at,
                    f"cells would share the {server.parallel} inferences at once of"
                    f" {server.name!r}, and are planned apart: give each cell its own server, with"
                    " its part of parallel",
                )
            of_cell[server] = c


def _look_at_results(resolver: Resolver, planned: Sequence[Planned], kinds: Kinds) -> None:
    """Results that come back over a channel of which nobody knows how fast."""
    told = set()
    for one in planned:
        site = one.site
        if site.channel is None or site.channel.body.downlink_bps or site.channel_at in told:
            continue
        for k in one.used.tolist():
            model = kinds.made[k].model.body
            if model.result_byte:
                told.add(site.channel_at)
                resolver.warn(
                    site.channel_at,
                    f"results of {model.name!r} ({model.result_byte} byte) are taken to come back"
                    f" in no time: {site.channel.body.name!r} has no downlink_bps",
                )
                break
