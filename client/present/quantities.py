"""Quantities as people read them."""

import math
from typing import Any

from rich.console import Console

Json = dict[str, Any]


WIDTH = 120  # where nobody says how wide the paper is


_PREFIXES = (
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)


def console(file: Any) -> Console:
    """A console that prints what it is given: names of users are no markup."""
    return Console(
        file=file,
        width=None if file.isatty() else WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


def si(value: float | None, unit: str, digits: int = 4) -> str:
    """A quantity with the prefix that suits it: 0.0123 J is 12.3 mJ."""
    if value is None:
        return "-"
    if not math.isfinite(value) or value == 0.0:
        return f"{value:g} {unit}"
    rounded = float(f"{value:.{digits}g}")
    factor, prefix = next((pair for pair in _PREFIXES if abs(rounded) >= pair[0]), _PREFIXES[-1])
    return f"{rounded / factor:.{digits}g} {prefix}{unit}"


def enough(value: float | None, unit: str) -> str:
    """A least quantity, rounded up so that it can be asked for."""
    return si(None if value is None else value * (1.0 + 5e-6), unit, 6)


def number(value: float | None, digits: int = 5) -> str:
    """A quantity without a unit."""
    return "-" if value is None else f"{value:.{digits}g}"


def share(value: float | None) -> str:
    """A fraction in percent."""
    return "-" if value is None else f"{value:.1%}"


def cost_of(cost: float | None) -> str:
    return "not possible" if cost is None else f"cost {number(cost)}"
