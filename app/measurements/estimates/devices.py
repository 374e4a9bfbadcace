"""From two powers to a device."""

from app.catalogue.measured_powers import CLOCK_EXPONENTS, assumed_exponent, exponent_span
from app.field_errors import validated
from app.measurements.estimates.schemas import DeviceEstimate
from app.profiles.schemas.device import Device

_KEPT = {
    "name",
    "processor",
    "frequency_max_hz",
    "frequency_levels_hz",
    "idle_power_w",
    "tx_power_w",
    "rx_power_w",
    "radio",
    "memory_byte",
}


def estimated_device(wanted: DeviceEstimate) -> Device:
    """The device: its power above idle at the highest clock as it was read, at others by a power of
    the clock.

    Raises InvalidRequest where the device does not hold together.
    """
    above_w = wanted.busy_power_w - wanted.idle_power_w
    assumed = wanted.power_exponent is None
    exponent = assumed_exponent() if wanted.power_exponent is None else wanted.power_exponent
    levels = wanted.frequency_levels_hz
    lowest = levels[0] if levels else wanted.frequency_max_hz
    low, high = exponent_span()
    # Through the same door as a device that is sent: what contradicts itself is told as there.
    return validated(
        Device,
        wanted.model_dump(mode="json", include=_KEPT)
        | {
            "frequency_min_hz": wanted.frequency_min_hz or lowest,
            "power_coefficient": above_w / wanted.frequency_max_hz**exponent,
            "power_exponent": exponent,
            "power_estimated": {
                "busy_power_w": wanted.busy_power_w,
                "exponent_low": low,
                "exponent_high": high,
                "processors": len(CLOCK_EXPONENTS),
            },
            "provenance": "analytic",
            "reference": _reference(wanted, exponent, assumed=assumed),
        },
    )


def _reference(wanted: DeviceEstimate, exponent: float, *, assumed: bool) -> str:
    low, high = exponent_span()
    whose = "the middle of" if assumed else "as given; compare"
    return (
        f"Estimated: {wanted.busy_power_w:g} W of the whole device at {wanted.frequency_max_hz:g}"
        f" Hz less {wanted.idle_power_w:g} W idle; at other clocks by the exponent {exponent:g},"
        f" {whose} {low:g} to {high:g} on {len(CLOCK_EXPONENTS)} processors:"
        f" {', '.join(f'{each.processor} {each.exponent:g}' for each in CLOCK_EXPONENTS)}."
    )
