"""The cells of a request with their radio and their servers, defaults filled in."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.plans.resolve import Resolver, Source
from app.plans.robust.schemas import RobustTerms, Tiers
from app.profiles.plausibility import warnings_of_backhaul, warnings_of_shared_bandwidth
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.server import Server
from solvers.margin import OF_OPTIONS, Margin


@dataclass(frozen=True, slots=True)
class SiteTier:
    """A server behind those of a cell."""

    server: Source[Server]
    at: str  # its pointer
    backhaul_bps: float
    backhaul_rtt_s: float


@dataclass(frozen=True, slots=True)
class Site:
    """A cell as the request describes it, its defaults filled in."""

    id: str | None
    channel: Source[Channel] | None
    channel_at: str
    server: Source[Server] | None
    server_at: str
    bandwidth_hz: float | None  # None: the channel's
    tiers: tuple[SiteTier, ...]


def sites(terms: RobustTerms, resolver: Resolver, margin: Margin) -> list[Site]:
    """The cells of a request; one without a name where it lists none."""
    channel = None if terms.channel is None else resolver.find(Channel, terms.channel, "/channel")
    server = None if terms.server is None else resolver.find(Server, terms.server, "/server")
    tiers = tuple(_tiers(terms.tiers, "/tiers", resolver))
    if terms.cells is None:
        found = [Site(None, channel, "/channel", server, "/server", terms.bandwidth_hz, tiers)]
    else:
        shared = Site(None, channel, "/channel", server, "/server", terms.bandwidth_hz, tiers)
        found = list(_cells(terms, shared, resolver))
    _warn_of_bandwidths(terms, found, resolver)
    if margin in OF_OPTIONS:
        for at, radio in {site.channel_at: site.channel for site in found}.items():
            if radio is not None and (radio.body.rtt_variance_s2 or 0.0) > 0.0:
                resolver.fault(
                    at,
                    f"the {terms.options.margin} margin needs a channel whose rtt_variance_s2 is 0:"
                    " nobody measured the network's own delay",
                )
    return found


def _cells(terms: RobustTerms, shared: Site, resolver: Resolver) -> Iterator[Site]:
    for c, cell in enumerate(terms.cells or ()):
        where = f"/cells/{c}"
        channel, channel_at = shared.channel, shared.channel_at
        if cell.channel is not None:
            channel_at = f"{where}/channel"
            channel = resolver.find(Channel, cell.channel, channel_at)
        server, server_at = shared.server, shared.server_at
        if cell.server is not None:
            server_at = f"{where}/server"
            server = resolver.find(Server, cell.server, server_at)
        tiers = shared.tiers
        if cell.tiers is not None:
            tiers = tuple(_tiers(cell.tiers, f"{where}/tiers", resolver))
        bandwidth_hz = cell.bandwidth_hz or shared.bandwidth_hz
        yield Site(cell.id, channel, channel_at, server, server_at, bandwidth_hz, tiers)


def _warn_of_bandwidths(terms: RobustTerms, found: list[Site], resolver: Resolver) -> None:
    """Of each bandwidth that was said, once; the request's on the narrowest of the channels."""
    cells = terms.cells or (None,)
    said: dict[str, list[Site]] = {}
    for c, (cell, site) in enumerate(zip(cells, found, strict=True)):
        own = cell is not None and cell.bandwidth_hz is not None
        if site.bandwidth_hz is not None:
            said.setdefault(f"/cells/{c}/bandwidth_hz" if own else "/bandwidth_hz", []).append(site)
    for at, of in said.items():
        channels = [site.channel.body for site in of if site.channel is not None]
        narrowest = min(channels, key=lambda channel: channel.bandwidth_hz, default=None)
        for warning in warnings_of_shared_bandwidth(at, of[0].bandwidth_hz or 0.0, narrowest):
            resolver.warn(*warning)


def _tiers(given: Tiers | None, where: str, resolver: Resolver) -> Iterator[SiteTier]:
    seen: list[Server] = []
    for k, tier in enumerate(given or ()):
        at = f"{where}/{k}/server"
        for warning in warnings_of_backhaul(f"{where}/{k}", tier.backhaul_bps, tier.backhaul_rtt_s):
            resolver.warn(*warning)
        server = resolver.find(Server, tier.server, at)
        if server is None:
            continue
        if server.body in seen:
            resolver.fault(at, "is the server of a tier before: name it once")
            continue
        seen.append(server.body)
        yield SiteTier(server, at, tier.backhaul_bps, tier.backhaul_rtt_s)
