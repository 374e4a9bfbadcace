"""Placement in closed form for a multilayer perceptron whose layers are all equal, under one-stage
look-ahead.
"""

from dataclasses import dataclass

import numpy as np

from solvers.stopping.solve.inverse_rate import InverseRate, expected_least


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualLayers:
    """L equal layers: each costs the same to run and to place, and every cut crosses the same
    bits.
    """

    layers: int
    layer_cost: float  # zeta, of running a layer on the device
    edge_step: float  # delta, of running a layer at the edge
    eta: float  # cost times rate of crossing any cut
    price: float  # of placing one more layer, per inference
    waiting: float  # c_w
    stays: bool  # the last cut's result stays on the device instead of being sent too


def placement(network: EqualLayers, channel: InverseRate) -> int:
    """N* of least placement and look-ahead running cost, the smaller on ties (arXiv 2105.13618,
    section V).

    The threshold is one number, R* = eta/(B + zeta - delta). The layer after the N-th saves (1-q)^N
    Δ with Δ = q (B - A) - (1-q)(zeta - delta), where q is the probability to stop at a cut, A the
    mean cost of sending there and B that of a forced sending, outages included. Layers are worth
    their price as long as (1-q)^N Δ > price.

    Parameters
    ----------
    channel : of a single user.
    """
    up = float(channel.up[0])
    eta, zeta, step = network.eta, network.layer_cost, network.edge_step
    looks = (1.0 - up) / up
    forced = eta * float(channel.mean[0]) + network.waiting * looks
    onward = forced + zeta - step
    least = float(
        expected_least(channel, np.array([[eta]]), np.array([[0.0]]), np.array([[onward]]))[0, 0]
    )
    cap = np.array([[onward / eta]]) if onward > 0.0 else np.array([[1e-300]])
    fast = float(channel.fast(cap)[0, 0])
    spent = least - (1.0 - fast) * onward  # E[eta/R; stops | up]
    if least + network.waiting / up < onward:  # in outage it waits
        stops, sent = fast, spent + fast * network.waiting * looks
    else:
        stops, sent = up * fast, up * spent
    saving = stops * forced - sent - (1.0 - stops) * (zeta - step)
    sendable = network.layers - 1 if network.stays else network.layers
    best = _worth(saving, network.price, stops, sendable)
    if not network.stays or network.layers == 0:
        return best
    last = float(
        expected_least(channel, np.array([[eta]]), np.array([[step]]), np.array([[zeta]]))[0, 0]
    )
    last = min(up * last + (1.0 - up) * zeta, last + network.waiting * looks)
    reached = (1.0 - stops) ** np.arange(best, network.layers)
    gains = np.append(reached[:-1] * saving, reached[-1] * (forced + step - last))
    return network.layers if float((gains - network.price).sum()) > 0.0 else best


def _worth(saving: float, price: float, stops: float, most: int) -> int:
    """Layers, up to `most`, whose saving (1-q)^N Δ is above their price."""
    if saving <= price or most == 0:
        return 0
    if stops <= 0.0 or (price == 0.0 and stops < 1.0):
        return most
    if stops >= 1.0:
        return 1
    return int(min(most, max(0, np.ceil(np.log(price / saving) / np.log1p(-stops)))))
