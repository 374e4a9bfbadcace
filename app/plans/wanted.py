"""Which stored profiles a request will ask for, told before it asks for them one by one."""

from collections.abc import Iterable, Iterator
from typing import Any

from app.plans.pins import Pins
from app.plans.schemas import Request
from app.profiles.lookups import Key, TimingKey, Wanted
from app.profiles.references import ProfileRef

# What a user of any family may name, and of which kind that is.
_NAMED = {
    "device": "device",
    "model": "model",
    "device_timing": "timing",
    "server_timing": "timing",
}


def pinned(pins: Pins) -> Wanted:
    """What a plan rests on."""
    return Wanted(pins.revisions)


def wanted(request: Request) -> Wanted:
    """The references of a request of any family, and the timings that its users leave out."""
    places = [request, *_all(request, "cells")]
    tiers = [tier for place in places for tier in _all(place, "tiers")]
    ways = {
        (*(getattr(user, name, None) for name in _NAMED), *_all(user, "servers")): user
        for user in _all(request, "users")
    }.values()
    profiles = {
        *_named("channel", (getattr(place, "channel", None) for place in places)),
        *_named("server", (getattr(place, "server", None) for place in (*places, *tiers))),
        *_named("server", (server for way in ways for server in _all(way, "servers"))),
    }
    for name, kind in _NAMED.items():
        profiles |= set(_named(kind, (getattr(way, name, None) for way in ways)))
    servers = {ref.name for kind, ref in profiles if kind == "server"}
    return Wanted(profiles, {timing for way in ways for timing in _omitted(way, servers)})


def _omitted(way: Any, servers: Iterable[str]) -> Iterator[TimingKey]:
    """The timings of a device and of servers with a network that a user does not name."""
    device, model = _name(way, "device"), _name(way, "model")
    if model is None:
        return
    if device is not None and getattr(way, "device_timing", None) is None:
        yield device, "device", model
    if getattr(way, "server_timing", None) is None:
        yield from ((server, "server", model) for server in servers)


def _all(what: Any, name: str) -> tuple[Any, ...]:
    return getattr(what, name, None) or ()


def _named(kind: str, given: Iterable[Any]) -> Iterator[Key]:
    """What is named, where it is not given itself."""
    return ((kind, ProfileRef.parse(each)) for each in given if isinstance(each, str))


def _name(way: Any, what: str) -> str | None:
    """The name of what is named or given: a timing of either may be stored."""
    given = getattr(way, what, None)
    if given is None:
        return None
    return ProfileRef.parse(given).name if isinstance(given, str) else str(given.name)
