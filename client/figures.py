"""Figures of plans and profiles: as the service draws them, as data, and with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from client.connection import Connection, address
from client.drawing import drawn
from client.errors import Json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pictured = Literal["timings", "devices"]


class Figures(Connection):
    """What a service draws."""

    def figures(self, plan: str | Mapping[str, object]) -> list[Json]:
        """The figures that a plan has: name, title, address. `plan` is its id, or the plan."""
        found: list[Json] = self._json("GET", f"{_plan(plan)}/figures")["items"]
        return found

    def figure(
        self, plan: str | Mapping[str, object], name: str, *, user: str | None = None
    ) -> Json:
        """A figure as data in SI units: panels with axes, and marks column by column.

        Parameters
        ----------
        plan: its id, or the plan
        user: of one user alone, by its id; only of `decisions`
        """
        return self._json("GET", f"{_plan(plan)}/figures/{_step(name)}", params=_of(user))

    def figure_svg(
        self,
        plan: str | Mapping[str, object],
        name: str,
        *,
        user: str | None = None,
        size: Literal["wide", "narrow"] = "wide",
    ) -> bytes:
        """A figure as the service draws it; `plan` and `user` as in `figure`."""
        path = f"{_plan(plan)}/figures/{_step(name)}.svg"
        return self._send("GET", path, params=_of(user) | {"size": size}).content

    def plot(
        self, plan: str | Mapping[str, object], name: str, *, user: str | None = None
    ) -> Figure:
        """The same figure with matplotlib, to be saved or changed; arguments as in `figure`.

        Raises ModuleNotFoundError without `pip install splitplan[plot]`.
        """
        return drawn(self.figure(plan, name, user=user))

    def profile_figures(self, collection: Pictured, name: str) -> list[Json]:
        """The figures that a timing or device has."""
        found: list[Json] = self._json("GET", address("v1", collection, name, "figures"))["items"]
        return found

    def profile_figure(self, collection: Pictured, name: str, figure: str) -> Json:
        """A figure of a timing or device as data, as `figure`."""
        return self._json("GET", address("v1", collection, name, "figures", figure))

    def plot_profile(self, collection: Pictured, name: str, figure: str) -> Figure:
        """The same with matplotlib, as `plot`."""
        return drawn(self.profile_figure(collection, name, figure))


def _plan(plan: str | Mapping[str, object]) -> str:
    return address("v1", "plans", plan if isinstance(plan, str) else str(plan["id"]))


def _step(name: str) -> str:
    return address(name).removeprefix("/")


def _of(user: str | None) -> Json:
    return {} if user is None else {"user": user}
