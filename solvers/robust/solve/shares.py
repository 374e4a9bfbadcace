"""The exact shares for options already chosen: one price at which the users together ask for the whole uplink."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.robust.solve.curves import Curves
from solvers.robust.solve.pulse import Pulse

Floats = NDArray[np.float64]

_STEPS = 100
# Users priced at once in a large cell: temporary arrays stay in the cache.
_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Plans of any leading shape (plans...,): shares and x are (plans..., users), energy and price (plans...,)."""

    x: Floats
    energy_j: Floats  # infinite where even the least shares do not fit
    log_price: Floats


def share_out(curves: Curves, bandwidth_hz: float, log_price: float, pulse: Pulse | None = None) -> Shares:
    """Split the uplink at least energy among chosen options.

    Parameters
    ----------
    curves : (plans, users), one curve per user of each plan.
    log_price : ln of a price near the answer [ln(J/Hz)], where the search starts.

    Notes
    -----
    The sum of shares falls continuously in the price, close to its -1/2 power, so Newton's method in the logarithms
    settles in a few steps; a bracket guards it where many users sit at a kink or at their least share.
    """
    plans, pulse = curves.shape[0], pulse or Pulse()
    # A lone user takes the whole uplink at any price: allow more than that, so that a price always exists.
    x_least = curves.x_at(2.0 * bandwidth_hz)
    least = curves.least_hz.sum(axis=-1)
    log_prices = np.full(plans, log_price)
    low, high = np.full(plans, -np.inf), np.full(plans, np.inf)
    x = np.zeros(curves.shape)
    active = np.nonzero(curves.sends.any(axis=-1) & (least <= bandwidth_hz))[0]
    for _ in range(_STEPS):
        if len(active) == 0:
            break
        part = curves if len(active) == plans else curves[active]
        at = log_prices[active]
        x[active], rate = _respond(part, at[:, None], x_least[active], pulse)
        share = part.share_hz(x[active])
        total = share.sum(axis=-1)
        excess = np.log(total / bandwidth_hz)
        slope = (share * rate).sum(axis=-1) / total  # -d ln(total)/d ln(price)
        above = excess > 0.0
        low[active] = np.where(above, at, low[active])
        high[active] = np.where(above, high[active], at)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.clip(np.where(slope > 1e-9, excess / slope, np.sign(excess)), -3.0, 3.0)
        lower, upper = low[active], high[active]
        goal = at + step
        inside = (goal > lower) & (goal < upper)
        with np.errstate(invalid="ignore"):
            goal = np.where(inside | ~np.isfinite(lower + upper), goal, 0.5 * (lower + upper))
        log_prices[active] = goal
        with np.errstate(invalid="ignore"):
            # What is left over is spread below, and costs the square of this.
            settled = (np.abs(excess) < 1e-7) | (upper - lower < 1e-13)
        active = active[~settled]
    # What the price leaves over or overdraws by rounding is spread over what the users have beyond their least.
    share = curves.share_hz(x)
    beyond = share - curves.least_hz
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(beyond.sum(axis=-1) > 0.0, (bandwidth_hz - least) / beyond.sum(axis=-1), 0.0)
    share = np.where(curves.sends, curves.least_hz + beyond * np.maximum(factor, 0.0)[:, None], curves.scale_hz)
    x = curves.x_at(share)
    energy = curves.energy_j(x).sum(axis=-1)
    return Shares(
        x=x,
        energy_j=np.where(least <= bandwidth_hz, energy, np.inf),
        log_price=np.where(curves.sends.any(axis=-1), log_prices, -np.inf),
    )


def _respond(curves: Curves, log_price: Floats, x_least: Floats, pulse: Pulse) -> tuple[Floats, Floats]:
    """`Curves.respond`, a stretch of users at a time in a large cell."""
    users = curves.shape[-1]
    parts = []
    for k in range(0, users, _AT_ONCE):
        pulse.beat()
        some = slice(k, k + _AT_ONCE)
        parts.append(curves[:, some].respond(log_price, x_least[:, some]))
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([part[0] for part in parts], axis=1), np.concatenate([part[1] for part in parts], axis=1)
