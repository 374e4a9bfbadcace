"""The next revision of a device whose power was measured."""

from datetime import datetime
from typing import Any

import numpy as np

from app.errors import FieldError, InvalidRequest
from app.measurements.power.fitting import Fitted
from app.profiles.schemas.device import Device, DevicePowerBasis, DevicePowerIntervals
from solvers.measurement.samples import SAME_CLOCK

_REST = "; the rest: "


def revised(device: Device, found: Fitted, number: int, now: datetime) -> Device:
    """The device with what was fitted in place of what it said of its power.

    Raises InvalidRequest where the samples do not carry what is wanted.
    """
    law, product = found.fit.law, found.wanted.product
    levels = _level_power_w(device, found) if product == "levels" else None
    if law is None and levels is None:
        reasons = "; ".join(found.fit.unknown)
        raise InvalidRequest(
            [FieldError("", f"no law can be fitted: {reasons}; or ask for product=levels")]
        )
    measured = measured_of(found, number, now)
    start = 0.0 if law is None else law.energy_per_inference_j
    changes: dict[str, Any] = {
        "power_coefficient_w_per_hz3": None,
        "power_coefficient": None if law is None else law.power_coefficient,
        "power_exponent": None if law is None else law.power_exponent,
        "static_power_w": None if law is None else law.static_power_w,
        "energy_per_inference_j": start or None,
        "level_power_w": levels,
        "power_measured": measured,
        "power_estimated": None,
        "provenance": "measured",
        "reference": _reference(device, found, measured),
    }
    if found.idle_power_w is not None:
        changes["idle_power_w"] = found.idle_power_w
    return Device(**dict(device) | changes)


def _level_power_w(device: Device, found: Fitted) -> tuple[float, ...]:
    """Power at each of the device's levels, all of which must have been measured."""
    levels = device.frequency_levels_hz
    if levels is None:
        detail = f"{device.name!r} lists no frequency_levels_hz, so it can have no level_power_w"
        raise InvalidRequest([FieldError("", f"{detail}: ask for product=law")])
    at = {one.frequency_hz: one.power_w for one in found.fit.clocks}
    power = []
    for level in levels:
        near = [clock for clock in at if abs(clock - level) <= SAME_CLOCK * level]
        if not near:
            shown = ", ".join(f"{clock:.4g}" for clock in at)
            detail = f"no samples at the level {level:.4g} Hz (there are some at {shown} Hz)"
            raise InvalidRequest(
                [FieldError("", f"{detail}: measure every level, or ask for product=law")]
            )
        power.append(at[near[0]])
    return tuple(power)


def _reference(device: Device, found: Fitted, measured: DevicePowerBasis) -> str:
    ran = "".join(
        f", {name} {value}"
        for name, value in (found.wanted.runtime or {}).items()
        if value is not None
    )
    power = (
        f"power: {found.samples} samples at {len(found.fit.clocks)} clocks, measured"
        f" {measured.measured_at:%Y-%m-%d}{ran}"
    )
    before, _, rest = (device.reference or "").partition(_REST)
    if not before.startswith("power: "):
        rest = ", ".join(part for part in (device.provenance, device.reference) if part)
    return f"{power}{_REST}{rest}"[:4000]


def measured_of(found: Fitted, number: int, now: datetime) -> DevicePowerBasis:
    fit, within = found.fit, found.fit.intervals
    spans = None
    if within is not None:
        spans = DevicePowerIntervals(
            **{
                name: (low, None if np.isinf(high) else high)
                for name in DevicePowerIntervals.model_fields
                for low, high in (getattr(within, name),)
            }
        )
    return DevicePowerBasis(
        measurement=number,
        samples=found.samples,
        clocks_hz=tuple(one.frequency_hz for one in fit.clocks),
        measured_at=found.sheet.started_at or now,
        intervals=spans,
        median_error=fit.errors and fit.errors.median,
        largest_error=fit.errors and fit.errors.largest,
        doubts=tuple(found.doubts) or None,
    )
