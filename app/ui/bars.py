"""What a user's time and energy are made of, as bars."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.ui.told import Json
from app.ui.words import si

_TIMES = (
    ("Device", "device_s"),
    ("Uplink", "uplink_s"),
    ("Network", "network_s"),
    ("Server", "server_s"),
    ("Margin", "margin_s"),
)
_ENERGIES = (
    ("Compute", "compute_j"),
    ("Radio", "radio_j"),
    ("Static", "static_j"),
    ("Waiting", "wait_j"),
    ("Standby", "standby_j"),
)
# Of a hundred: the deadline stands there, unless the time goes beyond it.
_DEADLINE_AT = 92.0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar: where it begins and how wide it is, of 100, and which colour it has."""

    name: str
    start: float
    width: float
    colour: int
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Parts of a whole, which may have to end before something."""

    parts: Sequence[Part]
    limit: float | None
    """Where, of 100; None: nowhere."""
    said: str
    """The same in words."""


def latency(user: Json) -> Bar | None:
    """What a user's time is made of, against its deadline; None where nothing is said of it."""
    told = user.get("latency")
    if not isinstance(told, dict):
        return None
    bound, deadline = told.get("bound_s"), user.get("deadline_s")
    known = {**told, "margin_s": max((bound or 0.0) - told["mean_s"], 0.0)}
    reach = bound or told["mean_s"]
    whole = max(100.0 / _DEADLINE_AT * deadline, reach) if deadline else reach
    parts = _parts(_TIMES, known, whole, "s")
    said = _said(parts)
    if deadline is None:
        return Bar(parts, None, said)
    return Bar(parts, 100.0 * deadline / whole, f"{said}; deadline {si(deadline, 's')}")


def energy(user: Json) -> Bar | None:
    """What a user's energy is made of."""
    told = user.get("energy") or (user.get("expected") or {}).get("energy")
    if not isinstance(told, dict):
        return None
    whole = sum(told.get(field) or 0.0 for _, field in _ENERGIES)
    parts = _parts(_ENERGIES, told, whole, "J")
    return Bar(parts, None, _said(parts))


def legend(bar: Bar) -> list[tuple[str, int, str]]:
    """What each colour of a bar stands for."""
    return [(part.name, part.colour, part.text) for part in bar.parts]


TIMES = [(name, n) for n, (name, _) in enumerate(_TIMES, 1)]
"""What each colour stands for in a bar of time."""


def _parts(named: Sequence[tuple[str, str]], known: Json, whole: float, unit: str) -> list[Part]:
    parts, start = [], 0.0
    for n, (name, field) in enumerate(named, 1):
        value = known.get(field) or 0.0
        width = 100.0 * value / whole if whole > 0 else 0.0
        if width > 0:
            parts.append(Part(name, start, width, n, si(value, unit)))
        start += width
    return parts


def _said(parts: Sequence[Part]) -> str:
    return ", ".join(f"{part.name.lower()} {part.text}" for part in parts) or "nothing"
