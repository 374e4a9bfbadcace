"""A fit of power as lines of text."""

from collections.abc import Iterator
from typing import Any


def lines_of(told: dict[str, Any]) -> Iterator[str]:
    """The law with its intervals, each clock beside it, the cube, and what was found."""
    law, within = told["law"], told["intervals"]
    if law is not None and within is not None:
        for name, unit in (
            ("power_exponent", ""),
            ("static_power_w", " W"),
            ("power_coefficient", " W/Hz^exponent"),
            ("energy_per_inference_j", " J"),
        ):
            yield f"{name:<23} {law[name]:.4g}{unit}  ({_span(within[name])})"
        if law["waiting_power_w"] is not None:
            span = _span(told["waiting_power_interval_w"])
            yield f"waiting power           {law['waiting_power_w']:.4g} W  ({span})"
        yield f"error of the law        {_errors(told['errors'])}"
    yield f"error of a cube         {_errors(told['cube']['errors'])}"
    if told["idle_power_w"] is not None:
        yield f"idle_power_w            {told['idle_power_w']:.4g} W"
    if told["levels"]:
        yield ""
        yield f"{'clock':>12} {'samples':>8} {'power':>10} {'95 %':>18} {'law, median':>12}"
    for one in told["levels"]:
        error = "" if one["median_error"] is None else f"{one['median_error']:+.1%}"
        yield (
            f"{one['frequency_hz'] / 1e6:>8.5g} MHz {one['samples']:>8} {one['power_w']:>8.4g} W"
            f" {_span(one['interval_w']):>18} {error:>12}"
        )
    if told["quality"]:
        yield ""
    for found in told["quality"]:
        at = "" if found["frequency_hz"] is None else f" at {found['frequency_hz'] / 1e6:.5g} MHz"
        yield f"{found['severity']}: {found['check']}{at}: {found['detail']}"


def _span(span: list[float | None]) -> str:
    low, high = span
    if high is None and not low:
        return "not told"
    return f"{low:.3g} to {'any' if high is None else f'{high:.3g}'}"


def _errors(errors: dict[str, float]) -> str:
    return (
        f"{errors['median']:.1%} median, {errors['p90']:.1%} for nine in ten,"
        f" {errors['largest']:.1%} at most"
    )
