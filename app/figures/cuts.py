"""How many users are cut where, network by network."""

from collections.abc import Mapping
from typing import Any

from app.figures.description import Figure, FigurePanel
from app.figures.marks import bars, from_zero, rows_axis
from app.figures.scales import percent, plain

_FIELDS = ("cut_counts", "placement_counts")
_MOST_NETWORKS, _MOST_CUTS = 6, 16
TITLE = "Cuts of each network"


def counts_of(result: Mapping[str, Any] | None) -> dict[str, int]:
    """Users per cut, `model/cut name`; none where a plan does not say."""
    for name in _FIELDS:
        if (result or {}).get(name):
            found: dict[str, int] = (result or {})[name]
            return found
    return {}


def figure(counts: Mapping[str, int]) -> Figure:
    """Bars of users at each cut of each network."""
    networks: dict[str, list[tuple[str, int]]] = {}
    for called, many in counts.items():
        model, _, cut = called.partition("/")
        networks.setdefault(model, []).append((cut or called, many))
    largest = sorted(networks, key=lambda model: -sum(n for _, n in networks[model]))
    shown, rest = largest[:_MOST_NETWORKS], largest[_MOST_NETWORKS:]
    users = sum(counts.values())
    most = max((many for _, many in _all(networks, shown)), default=0)
    caption = "How many users are cut after which layer"
    if rest:
        caption += f"; {len(rest)} networks with fewer users are left out"
    said = ", ".join(
        f"{plain(many)} after {cut} of {model}"
        for model in shown
        for cut, many in sorted(networks[model], key=lambda each: -each[1])[:2]
    )
    return Figure(
        name="cuts",
        title=TITLE,
        caption=caption + ".",
        alternative=f"Of {users:,} users: {said}.",
        panels=[_panel(model, networks[model], users, most) for model in shown],
    )


def _all(networks: Mapping[str, list[tuple[str, int]]], shown: list[str]) -> list[tuple[str, int]]:
    return [cut for model in shown for cut in networks[model]]


def _panel(model: str, cuts: list[tuple[str, int]], users: int, most: int) -> FigurePanel:
    if len(cuts) > _MOST_CUTS:
        kept = {cut for cut, _ in sorted(cuts, key=lambda each: -each[1])[: _MOST_CUTS - 1]}
        others = [many for cut, many in cuts if cut not in kept]
        cuts = [each for each in cuts if each[0] in kept]
        cuts.append((f"{len(others)} other cuts", sum(others)))
    names, many = [cut for cut, _ in cuts], [float(n) for _, n in cuts]
    notes = [f"{plain(n)} ({percent(n / users)})" for n in many]
    texts = [f"{name}: {note}" for name, note in zip(names, notes, strict=True)]
    return FigurePanel(
        title=model,
        x=from_zero("users", None, most, integers=True),
        y=rows_axis(names, notes),
        marks=[bars("part-1", [0.0] * len(many), many, texts=texts)],
    )
