"""Numbers on axes: round ticks, SI prefixes, and how a value is written."""

import math
from collections.abc import Iterable, Sequence

_PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}
_UNPREFIXED = frozenset({"%", "", "users"})
_STEPS = (1.0, 2.0, 5.0, 10.0)
_FINE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
# A narrow no-break space: a value and its unit are one word.
_SPACE = "\u202f"


def quantity(value: float, unit: str | None, digits: int = 3) -> str:
    """A value in words: 0.0123 s is `12.3 ms`."""
    if unit in _UNPREFIXED or unit is None:
        return plain(value, digits) + (f"{_SPACE}{unit}" if unit else "")
    power = _power(value, digits)
    return f"{plain(value / 10.0**power, digits)}{_SPACE}{_PREFIXES[power]}{unit}"


def percent(part: float) -> str:
    """A part of a whole in words: 0.29 is `29 %`."""
    if 0.0 < part < 0.001:
        return f"< 0.1{_SPACE}%"
    return f"{plain(round(100.0 * part, 1))}{_SPACE}%"


def short(value: float) -> str:
    """A number with its prefix, of an axis whose numbers have several."""
    power = _power(value)
    return f"{plain(value / 10.0**power)}{_SPACE if _PREFIXES[power] else ''}{_PREFIXES[power]}"


def plain(value: float, digits: int = 3) -> str:
    """A number with so many digits, whole ones with all of theirs."""
    if value == 0.0 or not math.isfinite(value):
        return "0" if value == 0.0 else "–"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", _SPACE)
    text = f"{float(f'{value:.{digits}g}'):,.10f}".rstrip("0").rstrip(".").replace(",", _SPACE)
    return text if text.strip("-0.") else f"{value:.{digits}g}"


def _power(value: float, digits: int = 3) -> int:
    """The power of ten, a multiple of three, in which a value has one to three digits."""
    if value == 0.0 or not math.isfinite(value):
        return 0
    rounded = abs(float(f"{value:.{digits}g}"))
    power = 3 * math.floor(math.log10(rounded) / 3.0 + 1e-12)
    return max(-12, min(15, power))


def axis_unit(low: float, high: float, unit: str | None) -> tuple[float, str]:
    """The factor and the name of the unit in which the numbers of an axis are short."""
    if unit is None or unit in _UNPREFIXED:
        return 1.0, unit or ""
    power = _power(max(abs(low), abs(high)) * 0.999)
    return 10.0**-power, f"{_PREFIXES[power]}{unit}"


def round_up(value: float) -> float:
    """The end of an axis from zero: the next tick above a value."""
    if value <= 0.0 or not math.isfinite(value):
        return 1.0
    step = _step(value / 5.0)
    return step * math.ceil(value / step - 1e-9)


def ticks(low: float, high: float, about: int, *, integers: bool = False) -> list[float]:
    """Round numbers of a linear axis, about so many."""
    if not high > low:
        return [low]
    step = _step((high - low) / max(about, 1))
    step = max(step, 1.0) if integers else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def log_ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers of a logarithmic axis: powers of ten, with 2 and 5 times them where they are
    few.
    """
    first, last = math.floor(math.log10(low) - 1e-9), math.ceil(math.log10(high) + 1e-9)
    within = (low * (1.0 - 1e-9), high * (1.0 + 1e-9))
    for factors in (_FINE, (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        found = _between(within, [f * 10.0**n for n in range(first, last + 1) for f in factors])
        if len(found) <= about:
            return found
    return found[:: math.ceil(len(found) / max(about, 1))]


def _between(within: tuple[float, float], values: Iterable[float]) -> list[float]:
    return [value for value in values if within[0] <= value <= within[1]]


def log_span(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis for positive values: a little more than they take."""
    low, high = min(values), max(values)
    if high / low < 4.0:
        low, high = low / 2.0, high * 2.0
    return low / 1.15, high * 1.15


def _step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least) + 1e-12)
    return next(factor * power for factor in _STEPS if factor * power >= least * (1.0 - 1e-9))
