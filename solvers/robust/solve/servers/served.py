"""Users who bracket for the uplink and for the time of servers, with a price of each.

L(price, mu) = sum_n min_o [min_b (E_no(b) + price b) + mu load_no] - price B - mu C

is concave in all prices together, and every value of it is a proven lower bound. The curves are
priced once for a price of the uplink; what servers ask for is added to that, so that prices of
servers are nearly free to try.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.progress import Progress
from solvers.robust.budget import FULL
from solvers.robust.solve.candidates import Candidates
from solvers.robust.solve.dual import AT_ONCE, Relaxation
from solvers.robust.solve.shares import ROUNDING


class Served(Relaxation):
    """A relaxation whose options take time of servers, too."""

    def __init__(
        self,
        options: Candidates,
        bandwidth_hz: float,
        capacity_s: Floats,
        *,
        least_total_hz: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(options, bandwidth_hz, least_total_hz=least_total_hz, progress=progress)
        self.capacity_s = capacity_s

    @property
    def load_s(self) -> Floats:
        """Seconds of each server per second that each option takes, (options, servers)."""
        return self.options.load

    def takes(self) -> NDArray[np.bool_]:
        return np.asarray(self.options.curves.sends | np.any(self.load_s > 0.0, axis=1))

    def beside_others(self) -> NDArray[np.bool_]:
        """Options that find room on every server beside what the others need of it at least."""
        least = self.options.least(self.load_s.T).T
        most = self.capacity_s * FULL - (least.sum(axis=0) - least)
        most = np.repeat(most, np.diff(self.options.first), axis=0)
        return np.asarray(np.all(self.load_s <= most, axis=1))

    def energies(self, prices: Floats) -> tuple[Floats, Floats]:
        """Least of E + price b of each option and the share there, also at a price of 0, (prices,
        options).
        """
        if np.all(prices > 0.0) or not np.any(prices):
            return self.priced_j(prices)
        parts = [self.priced_j(prices[k : k + 1]) for k in range(len(prices))]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def response(self, price: float) -> "Response":
        """What every option asks for at a price of the uplink, and how that moves with it."""
        parts = []
        for k in range(0, len(self.x_least), AT_ONCE):
            self.progress.tick()
            some = slice(k, k + AT_ONCE)
            curves, x_least = self.options.curves[some], self.x_least[some]
            if price > 0.0:
                x, rate = curves.respond(np.log(price), x_least)
                energy, share = curves.priced_j(price, x, x_least)
                parts.append((energy, share, share * rate / price))
            else:
                energy, share = curves.priced_j(0.0, x_least, x_least)
                parts.append((energy, share, np.zeros_like(share)))
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return Response(price=price, energy_j=columns[0], share_hz=columns[1], falls=columns[2])

    def used(self, choice: Integers) -> Floats:
        """What choices (..., users) take of every server, (..., servers)."""
        return np.asarray(self.load_s[choice].sum(axis=-2))

    def least_hz(self, choice: Integers) -> Floats:
        """What choices (..., users) take of the uplink at least."""
        return np.asarray(self.options.curves.least_hz[choice].sum(axis=-1))

    def fit(self, choice: Integers) -> NDArray[np.bool_]:
        """Whether choices (..., users) keep every budget."""
        return np.asarray(
            np.all(self.used(choice) <= self.capacity_s * FULL, axis=-1)
            & (self.least_hz(choice) <= self.bandwidth_hz)
        )

    def at(self, price: float, server_prices: Floats) -> "Offer":
        """Everybody's best option at some prices."""
        energy, share = self.energies(np.array([price]))
        return self.offer(price, server_prices, energy[0], share[0])

    def offer(
        self, price: float, server_prices: Floats, energy_j: Floats, share_hz: Floats
    ) -> "Offer":
        """As `at`, of options that are priced already."""
        value = energy_j + self.load_s @ server_prices
        choice = self.options.best(value)
        best = value[choice].sum()
        paid = price * self.bandwidth_hz + float(server_prices @ self.capacity_s)
        return Offer(
            price=price,
            server_prices=server_prices,
            bound_j=float(best - paid - ROUNDING * (np.abs(value[choice]).sum() + paid)),
            choice=choice,
            value_j=value,
            energy_j=energy_j,
            share_hz=share_hz,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What options ask for at a price of the uplink, (options,) each."""

    price: float
    energy_j: Floats  # least of E + price b
    share_hz: Floats
    falls: Floats  # by how much the share falls with the price

    def near(self, price: float) -> "Response":
        """What is asked for at another price, about: exact to the square of their distance."""
        if price == self.price:
            return self
        moved = price - self.price
        return Response(
            price=price,
            energy_j=self.energy_j + moved * (self.share_hz - 0.5 * moved * self.falls),
            share_hz=self.share_hz - moved * self.falls,
            falls=self.falls,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Prices with the bound they prove, and what users choose at them."""

    price: float
    server_prices: Floats  # (servers,)
    bound_j: float
    choice: Integers  # (users,)
    value_j: Floats  # (options,) least of E + price b + mu load
    energy_j: Floats  # (options,) without what servers cost
    share_hz: Floats  # (options,)
