"""A fit of power as it is answered and kept."""

from dataclasses import asdict
from typing import Any

import numpy as np

from app import instants
from app.measurements.power.fitting import Fitted
from app.profiles.schemas.device import Device
from solvers.measurement.power_findings import PowerFinding
from solvers.measurement.power_law import ClockPower, Interval, PowerLaw
from solvers.measurement.time_law import SuspiciousClock

MOST_FINDINGS = 1000


def told(found: Fitted, made: Device) -> tuple[dict[str, Any], dict[str, Any]]:
    """What lists say of a measurement, and what only itself says."""
    sheet, wanted, measured = found.sheet, found.wanted, made.power_measured
    assert measured is not None
    summary = {
        "measured_at": instants.text(measured.measured_at),
        "samples": found.samples,
        "runs": len(sheet.runs),
        "clocks": len(found.fit.clocks),
        "product": wanted.product,
        "runtime": wanted.runtime,
        "doubts": found.doubts,
    }
    kept = {
        "workloads": list(sheet.workloads),
        "runs": list(sheet.runs),
        "wanted": {
            "above_idle": wanted.above_idle,
            "idle_power_w": wanted.idle_power_w,
            "part_of_device": sheet.part_of_device,
            "product": wanted.product,
            "leave_out_suspicious": wanted.leave_out_suspicious,
            "runtime": wanted.runtime,
        },
    }
    return summary, fit_told(found) | {"kept": kept}


def fit_told(found: Fitted) -> dict[str, Any]:
    """The fit and what was found."""
    fit = found.fit
    waited = fit.law is not None and bool(np.any(found.sheet.rows.wait_s > 0.0))
    within = fit.intervals
    return {
        "law": None if fit.law is None else _law(fit.law, waited),
        "intervals": None
        if within is None
        else {
            name: _span(getattr(within, name))
            for name in (
                "static_power_w",
                "power_coefficient",
                "power_exponent",
                "energy_per_inference_j",
            )
        },
        "waiting_power_interval_w": _span(within.waiting_power_w) if within and waited else None,
        "errors": None if fit.errors is None else asdict(fit.errors),
        "cube": {
            "power_coefficient_w_per_hz3": fit.cube.power_coefficient,
            "errors": asdict(fit.cube_errors),
        },
        "levels": [_clock(one) for one in fit.clocks],
        "suspicious": [_suspicious(found, one) for one in fit.suspicious],
        "left_out": fit.left_out,
        "idle_power_w": found.idle_power_w,
        "dropped": found.sheet.dropped,
        "quality": [_note(one) for one in found.quality[:MOST_FINDINGS]],
    }


def _law(law: PowerLaw, waited: bool) -> dict[str, Any]:
    return asdict(law) | {"waiting_power_w": law.waiting_power_w if waited else None}


def _span(interval: Interval) -> list[float | None]:
    low, high = interval
    return [low, None if np.isinf(high) else high]


def _clock(one: ClockPower) -> dict[str, Any]:
    return asdict(one) | {"interval_w": _span(one.interval_w)}


def _suspicious(found: Fitted, one: SuspiciousClock) -> dict[str, Any]:
    return {
        "workload": found.sheet.workloads[one.workload],
        "run": found.runs[one.run],
        "frequency_hz": one.frequency_hz,
        "samples": len(one.rows),
        "time_s": one.time_s,
        "expected_s": one.expected_s,
        "likely_hz": None if np.isnan(one.likely_hz) else one.likely_hz,
    }


def _note(one: PowerFinding) -> dict[str, Any]:
    return {
        "check": one.check,
        "severity": one.severity,
        "detail": one.detail,
        "frequency_hz": one.frequency_hz,
    }
