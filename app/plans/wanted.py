"""Which stored profiles a request will ask for, told before it asks for them one by one."""

from collections.abc import Iterable, Iterator
from typing import Any

from app.plans.pins import Pins
from app.plans.schemas import Request
from app.profiles.at_once import Key, TimingKey, Wanted
from app.profiles.references import ProfileRef


def pinned(pins: Pins) -> Wanted:
    """What a plan rests on."""
    return Wanted(pins.revisions)


def wanted(request: Request) -> Wanted:
    """The references of a request of any family, and the timings that its users leave out."""
    whole: Any = request
    places = [whole, *(getattr(whole, "cells", None) or ())]
    tiers = [tier for place in places for tier in getattr(place, "tiers", None) or ()]
    users = {
        (user.device, user.model, user.device_timing, user.server_timing, *_servers(user)): user
        for user in whole.users
    }.values()
    profiles = {
        *_keys("channel", (getattr(place, "channel", None) for place in places)),
        *_keys("server", (getattr(place, "server", None) for place in (*places, *tiers))),
        *_keys("server", (server for user in users for server in _servers(user))),
        *_keys("device", (user.device for user in users)),
        *_keys("model", (user.model for user in users)),
        *_keys("timing", (user.device_timing for user in users)),
        *_keys("timing", (user.server_timing for user in users)),
    }
    servers = {ref.name for kind, ref in profiles if kind == "server"}
    timings: set[TimingKey] = set()
    for user in users:
        for model in _names(user.model):
            if user.device_timing is None:
                timings |= {(device, "device", model) for device in _names(user.device)}
            if user.server_timing is None:
                timings |= {(server, "server", model) for server in servers}
    return Wanted(profiles, timings)


def _servers(user: Any) -> tuple[Any, ...]:
    return getattr(user, "servers", None) or ()


def _keys(kind: str, given: Iterable[Any]) -> Iterator[Key]:
    """What is named, where it is not given itself."""
    return ((kind, ProfileRef.parse(each)) for each in given if isinstance(each, str))


def _names(given: Any) -> tuple[str, ...]:
    """The name of what is named or given: a timing of either may be stored."""
    return (ProfileRef.parse(given).name if isinstance(given, str) else given.name,)
