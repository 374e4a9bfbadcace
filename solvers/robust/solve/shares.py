"""The exact shares for options already chosen: one price at which the users together ask for the whole uplink."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.robust.solve.curves import Curves
from solvers.robust.solve.pulse import Pulse

Floats = NDArray[np.float64]

_STEPS = 100
_ROUNDING = 4 * 2.0**-52
# Users priced at once in a large cell: temporary arrays stay in the cache.
_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Plans of any leading shape (plans...,): shares and x are (plans..., users), energy and price (plans...,)."""

    x: Floats
    energy_j: Floats  # infinite where even the least shares do not fit
    log_price: Floats
    price_j_per_hz: Floats  # what one more hertz saves: -dE/dB to the right, as sharp as `precision`


def share_out(
    curves: Curves, bandwidth_hz: float, log_price: float, pulse: Pulse | None = None, *, precision: float = 1e-7
) -> Shares:
    """Split the uplink at least energy among chosen options.

    Parameters
    ----------
    curves : (plans, users), one curve per user of each plan.
    log_price : ln of a price near the answer [ln(J/Hz)], where the search starts.
    precision : of what is beyond the least shares, in parts of what they leave.

    Notes
    -----
    The sum of shares falls continuously in the price, close to its -1/2 power, so Newton's method in the logarithms
    settles in a few steps; a bracket guards it where many users sit at a kink or at their least share. What is beyond
    the least shares is held against what they leave of the uplink: where that is little, so is the error.

    Where every sender sits at a kink or at its least share, a whole stretch of prices splits the uplink in the same
    way. Its lower end is what one more hertz saves, its upper end what one less costs.
    """
    plans, pulse = curves.shape[0], pulse or Pulse()
    # A lone user takes the whole uplink at any price: allow more than that, so that a price always exists.
    x_least = curves.x_at(2.0 * bandwidth_hz)
    least = curves.least_hz.sum(axis=-1)
    left_hz = bandwidth_hz - least
    log_prices = np.full(plans, log_price)
    low, high = np.full(plans, -np.inf), np.full(plans, np.inf)
    x = np.zeros(curves.shape)
    flat = np.zeros(plans, dtype=bool)
    active = np.nonzero(curves.sends.any(axis=-1) & (least <= bandwidth_hz))[0]
    for _ in range(_STEPS):
        if len(active) == 0:
            break
        part = curves if len(active) == plans else curves[active]
        at = log_prices[active]
        x[active], rate = _respond(part, at[:, None], x_least[active], pulse)
        share = part.share_hz(x[active])
        total = share.sum(axis=-1)
        over_hz = part.beyond_hz(x[active]).sum(axis=-1) - left_hz[active]
        excess = np.log1p(over_hz / bandwidth_hz)
        slope = (share * rate).sum(axis=-1) / total  # -d ln(total)/d ln(price)
        near = np.maximum(precision * left_hz[active], _ROUNDING * bandwidth_hz)
        flat[active] = (slope == 0.0) & (np.abs(over_hz) <= near)
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
        # What is left over is spread below, and costs the square of this. A bracket that has closed is left on the side
        # where too much is asked for, of which each can be given a part.
        with np.errstate(invalid="ignore"):
            closed = np.isfinite(lower) & (upper - lower <= 4e-16 * np.abs(lower))
        log_prices[active] = np.where(closed & ~above, lower, log_prices[active])
        settled = (np.abs(over_hz) <= near) | (closed & above)
        active = active[~settled]
    price = np.where(curves.sends.any(axis=-1), np.exp(log_prices), 0.0)
    if flat.any():
        larger = curves[flat].marginal_j_per_hz(x[flat])[0]
        price[flat] = np.where(curves[flat].sends, larger, 0.0).max(axis=-1)
    # What the price leaves over or overdraws by rounding is spread over what the users have beyond their least.
    beyond = curves.beyond_hz(x)
    total = beyond.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(total > 0.0, np.maximum(left_hz, 0.0) / total, 0.0)
    x = curves.x_beyond(beyond * factor[:, None])
    energy = curves.energy_j(x).sum(axis=-1)
    return Shares(
        x=x,
        energy_j=np.where(least <= bandwidth_hz, energy, np.inf),
        log_price=np.where(curves.sends.any(axis=-1), log_prices, -np.inf),
        price_j_per_hz=price,
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
