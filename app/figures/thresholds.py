"""Stopping thresholds: from which rate on a device offloads at each cut."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from app.figures.description import Figure, FigureAxis, FigurePanel
from app.figures.marks import BAR, log_axis, marks, rows_axis
from app.figures.scales import percent, quantity

_MOST_NETWORKS, _MOST_CUTS = 4, 24

Row = Mapping[str, Any]


def figure(entries: Iterable[Mapping[str, Any]]) -> Figure:
    """The thresholds of users, network by network."""
    networks: dict[str, dict[int, _Cut]] = {}
    users = 0
    for entry in entries:
        users += 1
        cuts = networks.setdefault(entry.get("model") or "", {})
        rates = entry["table"].get("state_rate_bps")
        for row in entry["table"]["rows"]:
            cuts.setdefault(row["cut"], _Cut(row["cut_name"])).add(row, rates)
    known = [
        rate
        for cuts in networks.values()
        for cut in cuts.values()
        for rate in cut.thresholds
        if 0.0 < rate < math.inf
    ]
    axis = log_axis("rate of the uplink", "bit/s", known or [1e6])
    axis = axis.model_copy(update={"low": axis.low / 2.0, "high": axis.high * 2.0})
    shown = list(networks.items())[:_MOST_NETWORKS]
    panels = [_panel(model, list(cuts.values()), axis) for model, cuts in shown]
    said = "; ".join(
        f"after {cut.name} {cut.note}" for _, cuts in shown[:1] for cut in list(cuts.values())[:6]
    )
    return Figure(
        name="decisions",
        title="When to offload",
        caption="At each cut: the rates from which on a device offloads, of several users the"
        " median with nine in ten of them; beside it how many inferences end there.",
        alternative=f"Thresholds of {users:,} users. {said}.",
        panels=panels,
    )


class _Cut:
    """What users do at a cut."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.thresholds: list[float] = []
        self.ends: list[float] = []

    def add(self, row: Row, state_rates: Sequence[float] | None) -> None:
        """What one more user does there."""
        self.thresholds.append(_threshold(row, state_rates))
        self.ends.append(row["stop_probability"])

    @property
    def median(self) -> float:
        """From this rate on half of the users offload."""
        return sorted(self.thresholds)[(len(self.thresholds) - 1) // 2]

    @property
    def note(self) -> str:
        """What is said of it in words."""
        when = {0.0: "always", math.inf: "never"}.get(self.median) or "from " + quantity(
            self.median, "bit/s"
        )
        ends = sum(self.ends) / len(self.ends)
        return f"{when}, {percent(ends)} end" if ends else str(when)


def _threshold(row: Row, state_rates: Sequence[float] | None) -> float:
    """The least rate at which it offloads [bit/s]; 0: at any, infinite: at none."""
    if row["offload"] in ("always", "never"):
        return 0.0 if row["offload"] == "always" else math.inf
    if row.get("rate_bps") is not None:
        return float(row["rate_bps"])
    states = row.get("stop_states") or ()
    return (
        min((float((state_rates or ())[n]) for n in states), default=math.inf)
        if state_rates
        else math.inf
    )


def _panel(model: str, cuts: Sequence[_Cut], axis: FigureAxis) -> FigurePanel:
    if len(cuts) > _MOST_CUTS:  # those at which most end
        most = sorted(cuts, key=lambda cut: -sum(cut.ends))[:_MOST_CUTS]
        cuts = [cut for cut in cuts if cut in most]
    at = np.arange(len(cuts), dtype=float)
    median = np.array([min(max(cut.median, axis.low), axis.high) for cut in cuts])
    several = max((len(cut.thresholds) for cut in cuts), default=0) > 1
    drawn = [
        marks(
            "boxes",
            "part-1",
            np.where(median < axis.high, median, np.nan),
            at - BAR,
            x_to=np.full(len(cuts), axis.high),
            y_to=at + BAR,
            label="offload",
            texts=[f"{cut.name}: {cut.note}" for cut in cuts],
        )
    ]
    if several:
        span = np.array(
            [
                np.quantile(np.clip(cut.thresholds, axis.low, axis.high), (0.05, 0.95))
                for cut in cuts
            ]
        )
        wide = np.where(span[:, 1] > span[:, 0], span[:, 1], np.nan)
        drawn.append(
            marks(
                "segments", "limit", span[:, 0], at, x_to=wide, y_to=at, label="nine in ten users"
            )
        )
    return FigurePanel(
        title=model or None,
        x=axis,
        y=rows_axis([cut.name for cut in cuts], [cut.note for cut in cuts]),
        marks=drawn,
    )
