"""Columns that name their unit: `energy_mj` is energy in thousandths of a joule."""

from app.measurements.power.logs.lines import refusal

UNITS = {
    "frequency_hz": {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
    "time_s": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "wait_s": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "energy_j": {"j": 1.0, "kj": 1e3, "mj": 1e-3, "uj": 1e-6},
    "power_w": {"w": 1.0, "kw": 1e3, "mw": 1e-3, "uw": 1e-6},
    "idle_w": {"w": 1.0, "mw": 1e-3, "uw": 1e-6},
}
_ALSO = {"clock": "frequency", "timestamp": "time", "idle_power": "idle"}
_FIELDS = {field.rpartition("_")[0]: field for field in UNITS}


def known_column(line: int, heading: str, also: tuple[str, ...]) -> tuple[str, float]:
    """The field that a heading stands for, and the factor to its SI unit. Raises InvalidRequest."""
    name = heading.strip().strip('"').lower()
    if name in also:
        return name, 1.0
    stem, _, unit = name.rpartition("_")
    stem = _ALSO.get(stem, stem)
    field = _FIELDS.get(stem)
    if field is not None and unit in UNITS[field]:
        return field, UNITS[field][unit]
    bare = _ALSO.get(name, name)
    if bare in _FIELDS or field is not None:
        units = UNITS[field or _FIELDS[bare]]
        called = name if field is None else name.rpartition("_")[0]
        choices = ", ".join(f"{called}_{one}" for one in units)
        raise refusal(line, f"the column {heading[:50]!r} names no unit: one of {choices}")
    known = ", ".join([*UNITS, *also])
    raise refusal(line, f"there is no column {heading[:50]!r}; those read here are {known}")
