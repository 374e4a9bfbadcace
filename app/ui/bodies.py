"""Profiles as people read them: each field by its name and unit, lists as tables."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.document import UNITS, unit_of
from app.figures.grids import PREFIXED
from app.ui.told import Fact, Json
from app.ui.words import NOTHING, count, number, percent, si

_NAMES = {
    "tx_power_w": "Radiated power",
    "rx_power_w": "Power to receive",
    "noise_psd_dbm_per_hz": "Noise density",
    "variance_s2": "Standard deviation",
    "rtt_mean_s": "Round trip",
    "rtt_variance_s2": "Round trip, standard deviation",
    "frequency_min_hz": "Least clock",
    "frequency_max_hz": "Largest clock",
    "frequency_hz": "Clock",
    "frequency_levels_hz": "Clock",
    "level_power_w": "Power",
    "capacity_flop_per_s": "Capacity",
    "flop": "FLOP",
    "model": "Network",
    "source_sha256": "SHA-256 of its source",
}
_APART = {"name", "kind", "provenance", "reference", "cuts"}
"""Told elsewhere on the page."""
_MOST_ROWS = 400


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of a profile."""

    title: str
    heads: Sequence[tuple[str, bool]]
    """What each column is called, and whether it has numbers."""
    rows: Sequence[Sequence[str]]
    more: int = 0
    """Rows that are left out."""


@dataclass(frozen=True, slots=True)
class Told:
    """A profile."""

    facts: Sequence[Fact]
    sheets: Sequence[Sheet]


def told(body: Json) -> Told:
    """What a profile says, without what was left out of it."""
    facts, lists, sheets = [], {}, []
    for field, value in _flat(body):
        if field.rpartition(".")[2] in _APART:
            continue
        if not isinstance(value, list):
            facts.append(Fact(name_of(field), text_of(field, value)))
        elif value and isinstance(value[0], list):
            sheets.append(_matrix(field, value))
        elif value:
            lists[field] = value
    return Told(facts, [*_side_by_side(lists), *sheets, *_of_cuts(body.get("cuts") or ())])


def name_of(field: str) -> str:
    """What a field is called, without its unit."""
    outer, _, inner = field.rpartition(".")
    plain = _NAMES.get(inner)
    if plain is None:
        ending = max((each for each in UNITS if inner.endswith(each)), key=len, default="")
        words = inner.removesuffix(ending).replace("_", " ").strip() or inner
        plain = words[0].upper() + words[1:]
    return f"{name_of(outer)}: {plain[0].lower()}{plain[1:]}" if outer else plain


def text_of(field: str, value: Any) -> str:
    """A value with its unit."""
    if value is None or isinstance(value, str):
        return NOTHING if value is None else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    unit = "FLOP" if field == "flop" else unit_of(field)
    if unit == "s²":
        return si(math.sqrt(value), "s")
    if unit in PREFIXED:
        return si(value, PREFIXED[unit])
    if field in ("loss", "confidence", "max_utilisation"):
        return percent(value)
    shown = count(value) if isinstance(value, int) else number(value)
    return shown if unit is None else f"{shown} {unit}"


def _flat(body: Json, within: str = "") -> Iterator[tuple[str, Any]]:
    for field, value in body.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{within}{field}.")
        elif value is not None:
            yield f"{within}{field}", value


def _side_by_side(lists: Mapping[str, list[Any]]) -> Iterator[Sheet]:
    """Lists of one length as columns of a table."""
    for many in dict.fromkeys(len(values) for values in lists.values()):
        alike = {field: values for field, values in lists.items() if len(values) == many}
        rows = [
            [text_of(field.rpartition(".")[2], values[n]) for field, values in alike.items()]
            for n in range(many)
        ]
        title = " and ".join(name_of(field) for field in alike).capitalize()
        yield _sheet(title, [(name_of(field), True) for field in alike], rows)


def _matrix(field: str, rows: list[list[Any]]) -> Sheet:
    heads = [("From state", False), *((f"to {n}", True) for n in range(len(rows[0])))]
    texts = [[str(n), *(percent(each) for each in row)] for n, row in enumerate(rows)]
    return _sheet(name_of(field), heads, texts)


def _sheet(title: str, heads: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> Sheet:
    return Sheet(title, heads, rows[:_MOST_ROWS], max(len(rows) - _MOST_ROWS, 0))


def _of_cuts(cuts: Sequence[Json]) -> Iterator[Sheet]:
    """The cuts of a model or of a timing, and what each of them lists."""
    if not cuts:
        return
    plain = _fields(cuts, lambda value: not isinstance(value, list) or not _are_bodies(value))
    yield _listed("Cuts", [(str(n), cut) for n, cut in enumerate(cuts)], plain)
    for field in _fields(cuts, lambda value: isinstance(value, list) and _are_bodies(value)):
        inner = [
            (cut.get("name", str(n)), entry)
            for n, cut in enumerate(cuts)
            for entry in cut.get(field) or ()
        ]
        clocks = {entry.get("frequency_hz") for _, entry in inner}
        if field == "levels" and None not in clocks:
            yield _by_clock(cuts, sorted(clocks))
        else:
            yield _listed(name_of(field), inner, _fields([e for _, e in inner], lambda _: True))


def _are_bodies(value: Sequence[Any]) -> bool:
    return bool(value) and isinstance(value[0], dict)


def _fields(entries: Sequence[Json], wanted: Any) -> list[str]:
    """Fields that any of these has, in their order."""
    found = {
        field: None
        for entry in entries
        for field, value in entry.items()
        if value is not None and wanted(value)
    }
    return [field for field in found if field not in ("reference", "tensors")]


def _listed(title: str, entries: Sequence[tuple[str, Json]], fields: Sequence[str]) -> Sheet:
    heads = [("Cut", False)] + [(name_of(field), not _is_text(field, entries)) for field in fields]
    rows = [
        [cut, *(text_of(field, entry.get(field)) for field in fields)] for cut, entry in entries
    ]
    return _sheet(title, heads, rows)


def _is_text(field: str, entries: Sequence[tuple[str, Json]]) -> bool:
    return any(isinstance(entry.get(field), str) for _, entry in entries)


def _by_clock(cuts: Sequence[Json], clocks: Sequence[float]) -> Sheet:
    """Mean times of cuts at clock levels."""
    heads = [("Cut", False), *((si(clock, "Hz"), True) for clock in clocks)]
    rows = []
    for n, cut in enumerate(cuts):
        means = {level["frequency_hz"]: level["mean_s"] for level in cut.get("levels") or ()}
        rows.append([str(n), *(si(means.get(clock), "s") for clock in clocks)])
    return _sheet("Mean time at each clock", heads, rows)
