"""What samples tell of a device's power, and what speaks against it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.measurements.power.prepare import levels_of, prepared
from app.measurements.power.schemas import Product
from app.measurements.power.sheet import PowerSheet
from app.profiles.schemas.device import Device
from solvers.measurement.power import fit_power
from solvers.measurement.power_findings import PowerFinding, power_findings
from solvers.measurement.power_law import PowerFit


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to become of samples, where they do not say so themselves."""

    above_idle: bool = False
    idle_power_w: float | None = None
    product: Product = "law"
    leave_out_suspicious: bool = False
    runtime: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What samples tell of a device."""

    sheet: PowerSheet
    wanted: Wanted
    fit: PowerFit
    runs: tuple[str, ...]  # that the fit knows
    idle_power_w: float | None
    quality: list[PowerFinding]
    samples: int  # before long runs were made means

    @property
    def doubts(self) -> list[str]:
        """The checks with warnings."""
        return sorted({one.check for one in self.quality if one.severity == "warning"})


def fitted(sheet: PowerSheet, device: Device | None, wanted: Wanted) -> Fitted:
    """Fit samples of a device. Raises InvalidRequest where they cannot carry what is wanted."""
    ready = prepared(sheet, device, above_idle=wanted.above_idle, idle_power_w=wanted.idle_power_w)
    fit = fit_power(
        ready.samples, levels_of(device), leave_out_suspicious=wanted.leave_out_suspicious
    )
    quality = [*ready.found, *power_findings(fit), *_reach(fit, device)]
    return Fitted(
        sheet=sheet,
        wanted=wanted,
        fit=fit,
        runs=ready.runs,
        idle_power_w=None if sheet.part_of_device else ready.idle_power_w,
        quality=sorted(quality, key=lambda finding: finding.severity != "warning"),
        samples=int(np.sum(~sheet.idle())),
    )


def _reach(fit: PowerFit, device: Device | None) -> list[PowerFinding]:
    """Clocks of the device far from those that were measured."""
    if device is None or fit.law is None:
        return []
    low, high = fit.clocks[0].frequency_hz, fit.clocks[-1].frequency_hz
    if device.frequency_min_hz >= 0.8 * low and device.frequency_max_hz <= 1.25 * high:
        return []
    detail = (
        f"measured from {low:.4g} to {high:.4g} Hz, the device runs from"
        f" {device.frequency_min_hz:.4g} to {device.frequency_max_hz:.4g} Hz: beyond what was"
        " measured the law is a guess"
    )
    return [PowerFinding("range", "warning", detail)]
