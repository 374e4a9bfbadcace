"""The exact shares for options already chosen: one price at which the users together ask for the
whole uplink.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats
from solvers.progress import Progress
from solvers.robust.solve.curves import Curves

_STEPS = 100
SETTLED = 1e-7  # in ln(price), and of what is beyond the least shares
_ROUNDING = 4 * 2.0**-52
# Sums of N terms carry rounding of about this relative size: bounds are lowered by it.
ROUNDING = 1e-14
# Users priced at once in a large cell: temporary arrays stay in the cache.
_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Plans of any leading shape (plans...,): shares and x are (plans..., users), energy and price
    (plans...,).
    """

    x: Floats
    energy_j: Floats  # infinite where even the least shares do not fit
    log_price: Floats
    price_j_per_hz: Floats  # what one more hertz saves: -dE/dB to the right; 0 where nobody sends


def share_out(
    curves: Curves, bandwidth_hz: float, log_price: float, progress: Progress | None = None
) -> Shares:
    """Split the uplink at least energy among chosen options.

    Parameters
    ----------
    curves : (plans, users), one curve per user of each plan.
    log_price : ln of a price near the answer [ln(J/Hz)], where the search starts.

    Notes
    -----
    The sum of shares falls continuously in the price, close to its -1/2 power, so Newton's method
    in the logarithms settles in a few steps; a bracket guards it where many users sit at a kink or
    at their least share. What is beyond the least shares is held against what they leave of the
    uplink: where that is little, so is the error.

    Where every sender sits at a kink or at its least share, a whole stretch of prices splits the
    uplink in the same way. Its lower end is what one more hertz saves, its upper end what one less
    costs.
    """
    plans, progress = curves.shape[0], progress or Progress()
    # A lone user takes the whole uplink at any price: allow more than that, so that a price always
    # exists.
    x_least = curves.x_at(2.0 * bandwidth_hz)
    least = curves.least_hz.sum(axis=-1)
    left_hz = bandwidth_hz - least
    log_prices = np.full(plans, log_price)
    low, high = np.full(plans, -np.inf), np.full(plans, np.inf)
    x, rate = np.zeros(curves.shape), np.zeros(curves.shape)
    active = np.nonzero(curves.sends.any(axis=-1) & (least <= bandwidth_hz))[0]
    for _ in range(_STEPS):
        if len(active) == 0:
            break
        part = curves if len(active) == plans else curves[active]
        at = log_prices[active]
        x[active], rate[active] = _respond(part, at[:, None], x_least[active], progress)
        share = part.share_hz(x[active])
        total = share.sum(axis=-1)
        over_hz = part.beyond_hz(x[active]).sum(axis=-1) - left_hz[active]
        with np.errstate(divide="ignore"):  # where the shares vanish beside the uplink
            excess = np.log1p(over_hz / bandwidth_hz)
        slope = (share * rate[active]).sum(axis=-1) / total  # -d ln(total)/d ln(price)
        above = excess > 0.0
        low[active] = np.where(above, at, low[active])
        high[active] = np.where(above, high[active], at)
        newton, goal, closed = _guarded(excess, slope, at, low[active], high[active])
        # What so small a step leaves over is handed out below, and costs the square of it. Where
        # nobody moves with the price, it must be next to nothing.
        near = np.maximum(SETTLED * left_hz[active], _ROUNDING * bandwidth_hz)
        still = (slope == 0.0) & (np.abs(over_hz) <= near)
        settled = (np.abs(newton) <= SETTLED) | still | closed
        log_prices[active] = np.where(settled, at, goal)
        active = active[~settled]
    return _handed_out(curves, left_hz, (x, rate), log_prices)


def _guarded(
    excess: Floats, slope: Floats, at: Floats, lower: Floats, upper: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Newton's step in ln(price), where it leads within the bracket, and where that has closed."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        newton = np.where(slope > 0.0, excess / slope, np.copysign(np.inf, excess))
        goal = at + np.clip(newton, -3.0, 3.0)
    inside = (goal > lower) & (goal < upper)
    with np.errstate(invalid="ignore"):
        goal = np.where(inside | ~np.isfinite(lower + upper), goal, 0.5 * (lower + upper))
        closed = np.isfinite(lower) & (upper - lower <= 4e-16 * np.abs(lower))
    return newton, goal, closed


def _handed_out(
    curves: Curves, left_hz: Floats, response: tuple[Floats, Floats], log_prices: Floats
) -> Shares:
    """The response to a price, corrected by what it leaves over or overdraws.

    Those who move with the price take what a price a hair off would give them.
    """
    x, rate = response
    sends, fits = curves.sends.any(axis=-1), left_hz >= 0.0
    share = curves.share_hz(x)
    rest = np.where(sends & fits, left_hz - curves.beyond_hz(x).sum(axis=-1), 0.0)
    moves = share * rate
    mobile = moves.sum(axis=-1)
    still = sends & (mobile <= 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(mobile > 0.0, rest / mobile, 0.0)
        change = np.where(moves > 0.0, off[:, None] * rate, 0.0)
        log_price = np.where(sends, log_prices - off, -np.inf)
    if still.any():
        change[still] = _to_one(curves[still], x[still], share[still], rest[still])
    x = np.where(
        change != 0.0, np.minimum(x - np.log1p(np.maximum(change, -0.5)), curves.x_most), x
    )
    price = np.exp(log_price)
    if still.any():
        larger = curves[still].marginal_j_per_hz(x[still])[0]
        price[still] = np.where(curves.sends[still], larger, 0.0).max(axis=-1)
    return Shares(
        x=x,
        energy_j=np.where(fits, curves.energy_j(x).sum(axis=-1), np.inf),
        log_price=log_price,
        price_j_per_hz=price,
    )


def _to_one(curves: Curves, x: Floats, share_hz: Floats, rest_hz: Floats) -> Floats:
    """Relative changes of the shares where nobody moves with the price: all sit at kinks or ends.

    Who gains most by a larger share takes what is left over; who loses least by a smaller one gives
    what is overdrawn.
    """
    larger, smaller = curves.marginal_j_per_hz(x)
    gains = np.where(curves.sends, larger, -np.inf).argmax(axis=-1)
    losses = np.where(curves.sends & (x < curves.x_most), smaller, np.inf).argmin(axis=-1)
    taker = np.where(rest_hz >= 0.0, gains, losses)[:, None]
    change = np.zeros_like(x)
    np.put_along_axis(
        change, taker, rest_hz[:, None] / np.take_along_axis(share_hz, taker, axis=-1), axis=-1
    )
    return change


def proven_j(
    curves: Curves, bandwidth_hz: float, x: Floats, price_j_per_hz: Floats, x_least: Floats
) -> Floats:
    """A lower bound on the energy of chosen options, however the uplink is split: their dual at the
    split's own price.

    Of any leading shape, as `share_out`; it does not rest on the split being exact.
    """
    value, _ = curves.priced_j(price_j_per_hz[..., None], np.maximum(x, x_least), x_least)
    paid = price_j_per_hz * bandwidth_hz
    return np.asarray(value.sum(axis=-1) - paid - ROUNDING * (np.abs(value).sum(axis=-1) + paid))


def _respond(
    curves: Curves, log_price: Floats, x_least: Floats, progress: Progress
) -> tuple[Floats, Floats]:
    """`Curves.respond`, a stretch of users at a time in a large cell."""
    users = curves.shape[-1]
    parts = []
    for k in range(0, users, _AT_ONCE):
        progress.tick()
        some = slice(k, k + _AT_ONCE)
        parts.append(curves[:, some].respond(log_price, x_least[:, some]))
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([part[0] for part in parts], axis=1), np.concatenate(
        [part[1] for part in parts], axis=1
    )
