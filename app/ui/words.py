"""Numbers, instants and statuses as people read them."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

NARROW = "\u202f"
NOTHING = "–"

_PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}

STATUSES: Mapping[str, tuple[str, str]] = {
    "queued": ("Queued", "waits"),
    "running": ("Running", "runs"),
    "solved": ("Solved", "good"),
    "infeasible": ("Infeasible", "warns"),
    "timed_out": ("Timed out", "warns"),
    "cancelled": ("Cancelled", "quiet"),
    "failed": ("Failed", "bad"),
    "revoked": ("Revoked", "bad"),
}
"""What a status is called, and the class of its badge."""

KINDS: Mapping[str, str] = {
    "robust": "Robust",
    "stopping": "Stopping",
    "multi-user": "Multi-user",
    "adaptive": "Adaptive",
}


def si(value: float | None, unit: str = "", digits: int = 3) -> str:
    """A quantity with an SI prefix: `si(0.00123, "s")` is 1.23 ms."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return f"0{NARROW}{unit}".rstrip(NARROW)
    power = min(max(3 * math.floor(math.log10(abs(value)) / 3), -12), 15)
    shown = f"{value / 10.0**power:.{digits}g}"
    if abs(float(shown)) >= 1000 and power < 15:  # 999.96 was rounded up
        power += 3
        shown = f"{value / 10.0**power:.{digits}g}"
    plain = f"{float(shown):.{digits}g}" if "e" not in shown else f"{float(shown):,.0f}"
    return f"{plain}{NARROW}{_PREFIXES[power]}{unit}".rstrip(NARROW).replace("-", "−")


def quantity(value: float | None, unit: str | None) -> str:
    """A value with its unit, or a number where it has none."""
    return si(value, unit) if unit else number(value)


def count(value: float | None) -> str:
    """A number of things."""
    return NOTHING if value is None else f"{value:,}"


def percent(value: float | None, digits: int = 3) -> str:
    """A fraction of 1."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{number(100.0 * value, digits)}{NARROW}%"


def number(value: float | None, digits: int = 4) -> str:
    """A number without a unit."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value != 0 and (abs(value) >= 1e6 or abs(value) < 1e-3):
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}{NARROW}×{NARROW}10{raised}".replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


def instant(value: datetime | str | None) -> str:
    """A moment, in UTC to the second."""
    if value is None:
        return NOTHING
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def machine(value: datetime | str) -> str:
    """The same for `<time datetime>`."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def duration(value: float | None) -> str:
    """How long something took [s]: 1.23 ms, 4.5 s, 2 min 5 s."""
    if value is None:
        return NOTHING
    if value < 100:
        return si(value, "s")
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def plural(many: float, one: str, several: str | None = None) -> str:
    """A number of things by their name."""
    return f"{count(many)} {one if many == 1 else several or one + 's'}"


def status(value: str) -> str:
    """What a status is called."""
    return STATUSES.get(value, (value, ""))[0]


def status_class(value: str) -> str:
    """The class of a status's badge."""
    return STATUSES.get(value, ("", "quiet"))[1]


def kind(value: str) -> str:
    """What a kind of plan is called."""
    return KINDS.get(value, value)


def step(value: str) -> str:
    """A text as a step of an address."""
    return quote(value, safe="")


FILTERS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        si, step, count, percent, number, instant, machine, duration, plural, kind, status,
        status_class,
    )
}  # fmt: skip
