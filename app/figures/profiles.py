"""The figures of timings and devices: times, energies and powers, and what they rest on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from sqlalchemy.orm import Session

from app.errors import FigureNotFound
from app.figures.description import Figure, FigureAxis, FigureMarks, FigurePanel
from app.figures.marks import TONES, from_zero, marks
from app.figures.powers import POWER_TITLE, clock_axis, power
from app.figures.scales import quantity
from app.plans.robust.clocks import ENERGY_SOURCES, Clock, clocks
from app.plans.robust.sending import Sending
from app.profiles import lookups, service
from app.profiles.references import ProfileRef
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.timing import Timing
from app.profiles.stored import Stored

_MOST_CLOCKS, _MOST_POINTS, _BETWEEN = 4, 24, 33
_NOTHING = Sending(codec=None, crossing_bit=0.0, crossing_most_bit=0.0)
_TITLES = {
    "times": "Time up to each cut",
    "clocks": "Time over the clock",
    "energies": "Energy up to each cut",
    "power": POWER_TITLE,
}
_RESTS_ON = {
    "energy_j": "energy that was measured",
    "power_w": "power that was measured at the cut",
    "level_power_w": "power that was measured at the clock",
    "law": "the device's power law",
}
Drawn = dict[str, Callable[[], Figure]]


@dataclass(frozen=True, slots=True)
class _Run:
    """The device's part before a cut at one clock."""

    clock_hz: float
    mean_s: float
    std_s: float
    energy_j: float
    source: str


def listed(
    session: Session, kind: type[Profile], name: str, revision: int | None
) -> list[tuple[str, str, bool]]:
    """The figures of a profile: name, title, and that they take no user.

    Raises ProfileNotFound, RevisionNotFound.
    """
    found = _drawn(session, service.get(session, kind, name, revision))
    return [(each, _TITLES[each], False) for each in found]


def figure(
    session: Session, kind: type[Profile], name: str, revision: int | None, wanted: str
) -> Figure:
    """A figure of a profile. Raises ProfileNotFound, RevisionNotFound, FigureNotFound."""
    known = _drawn(session, service.get(session, kind, name, revision))
    if wanted not in known:
        raise FigureNotFound(f"{kind.kind} {name!r}", wanted, known)
    return known[wanted]()


def _drawn(session: Session, stored: Stored[Profile]) -> Drawn:
    body = stored.body
    if isinstance(body, Device):
        return {"power": partial(power, body)}
    assert isinstance(body, Timing)
    model = lookups.profile(session, Model, ProfileRef(body.model))
    if model is None or len(model.body.cuts) != len(body.cuts):
        return {}
    names = [cut.name for cut in model.body.cuts]
    if all(cut.mean_s is not None for cut in body.cuts):
        return {"times": partial(_server_times, body, names)}
    device = lookups.profile(session, Device, ProfileRef(body.processor))
    if device is None:
        return {}
    runs = [
        list(_runs(clocks(device.body, cut.flop, entry, _NOTHING)))
        for cut, entry in zip(model.body.cuts, body.cuts, strict=True)
    ]
    if not any(runs):
        return {}
    return {
        "times": partial(_times, body, names, runs),
        "clocks": partial(_clocks, body, runs[-1]),
        "energies": partial(_energies, body, names, runs),
    }


def _runs(of_cut: Iterable[Clock]) -> Iterator[_Run]:
    """A cut at its clocks, or where any will do at some between the least and the largest."""
    for each in of_cut:
        several = each.clock_max_hz > each.clock_min_hz
        for clock in np.linspace(
            each.clock_min_hz, each.clock_max_hz, _BETWEEN if several else 1
        ).tolist():
            mean = each.cycles / clock + each.overhead_s
            power = each.static_power_w + each.power_coefficient * clock**each.power_exponent
            yield _Run(
                clock,
                mean,
                float(np.sqrt(each.device_variance_s2)),
                power * mean + each.fixed_energy_j,
                ENERGY_SOURCES[each.energy_source],
            )


def _shown_clocks(runs: Sequence[Sequence[_Run]]) -> list[float]:
    """A few of all clocks, the least and the largest among them."""
    known = sorted({run.clock_hz for of_cut in runs for run in of_cut})
    most = min(_MOST_CLOCKS, len(known))
    at = np.unique(np.linspace(0, len(known) - 1, most).round().astype(int))
    return [known[n] for n in reversed(at.tolist())]


def _times(timing: Timing, names: Sequence[str], runs: Sequence[Sequence[_Run]]) -> Figure:
    lines = _over_cuts(runs, names, lambda run: run.mean_s, "s", spread=True)
    said = f"At the last cut {', '.join(_ends(runs, lambda run: run.mean_s, 's'))}."
    return _figure("times", lines, names, "time on the device", "s", _basis(timing), said)


def _energies(timing: Timing, names: Sequence[str], runs: Sequence[Sequence[_Run]]) -> Figure:
    lines = _over_cuts(runs, names, lambda run: run.energy_j, "J", spread=False)
    sources = {run.source for of_cut in runs[1:] for run in of_cut}
    rests = " and ".join(_RESTS_ON[each] for each in ENERGY_SOURCES if each in sources)
    said = f"At the last cut {', '.join(_ends(runs, lambda run: run.energy_j, 'J'))}."
    basis = f"Energies from {rests or 'nothing'}, without what sending takes. {_basis(timing)}"
    return _figure("energies", lines, names, "energy of the device", "J", basis, said)


def _ends(runs: Sequence[Sequence[_Run]], value: Callable[[_Run], float], unit: str) -> list[str]:
    shown = _shown_clocks(runs)
    return [
        f"{quantity(value(run), unit)} at {quantity(run.clock_hz, 'Hz')}"
        for clock in shown
        for run in runs[-1]
        if run.clock_hz == clock
    ]


def _over_cuts(
    runs: Sequence[Sequence[_Run]],
    names: Sequence[str],
    value: Callable[[_Run], float],
    unit: str,
    *,
    spread: bool,
) -> list[FigureMarks]:
    drawn: list[FigureMarks] = []
    for clock, tone in zip(_shown_clocks(runs), TONES, strict=False):
        found = [
            (float(n), run) for n, cut in enumerate(runs) for run in cut if run.clock_hz == clock
        ]
        x = [n for n, _ in found]
        y = np.array([value(run) for _, run in found])
        label = quantity(clock, "Hz")
        texts = [f"{names[int(n)]}: {quantity(value(run), unit)}" for n, run in found]
        if spread:
            std = np.array([run.std_s for _, run in found])
            low: np.ndarray[tuple[int], np.dtype[np.float64]] = np.maximum(y - std, 0.0)
            drawn.append(marks("band", tone, x, low, y_to=y + std))
        drawn.append(marks("line", tone, x, y, label=label))
        if len(x) <= _MOST_POINTS:
            drawn.append(marks("points", tone, x, y, texts=texts))
    return drawn


def _server_times(timing: Timing, names: Sequence[str]) -> Figure:
    mean = np.array([cut.mean_s for cut in timing.cuts], float)
    std = np.sqrt(np.array([cut.variance_s2 or 0.0 for cut in timing.cuts]))
    x = list(map(float, range(len(names))))
    texts = [f"{name}: {quantity(s, 's')}" for name, s in zip(names, mean, strict=True)]
    drawn = [
        marks("band", "part-1", x, np.maximum(mean - std, 0.0), y_to=mean + std),
        marks("line", "part-1", x, mean),
    ]
    drawn += [marks("points", "part-1", x, mean, texts=texts)] if len(x) <= _MOST_POINTS else []
    said = f"All of the network takes {quantity(mean[0], 's')}."
    label = "time on the server after the cut"
    made = _figure("times", drawn, names, label, "s", _basis(timing), said)
    return made.model_copy(update={"title": "Time after each cut"})


def _figure(
    name: str,
    drawn: list[FigureMarks],
    names: Sequence[str],
    label: str,
    unit: str,
    basis: str,
    said: str,
) -> Figure:
    most = max((y for one in drawn for y in (one.y_to or one.y)), default=0.0)
    cuts = FigureAxis(
        label=f"cut, from {names[0]} to {names[-1]}",
        scale="linear",
        low=0.0,
        high=float(max(len(names) - 1, 1)),
        integers=True,
    )
    return Figure(
        name=name,
        title=_TITLES[name],
        caption=basis,
        alternative=said,
        panels=[FigurePanel(x=cuts, y=from_zero(label, unit, most), marks=drawn)],
    )


def _clocks(timing: Timing, whole: Sequence[_Run]) -> Figure:
    runs = sorted(whole, key=lambda run: run.clock_hz)
    x = [run.clock_hz for run in runs]
    y = np.array([run.mean_s for run in runs])
    std = np.array([run.std_s for run in runs])
    drawn = [
        marks("band", "part-1", x, np.maximum(y - std, 0.0), y_to=y + std),
        marks("line", "part-1", x, y),
    ]
    measured = timing.cuts[-1].levels or ()
    if measured:
        at = [level.frequency_hz for level in measured]
        times = [level.mean_s for level in measured]
        texts = [
            f"{quantity(hz, 'Hz')}: {quantity(s, 's')}" for hz, s in zip(at, times, strict=True)
        ]
        drawn.append(marks("points", "part-1", at, times, texts=texts, label="given at a clock"))
    top = float(max([*(y + std), *(level.mean_s for level in measured)]))
    return Figure(
        name="clocks",
        title=_TITLES["clocks"],
        caption=_basis(timing),
        alternative=f"All of the network takes {quantity(y[-1], 's')} at {quantity(x[-1], 'Hz')}"
        f" and {quantity(y[0], 's')} at {quantity(x[0], 'Hz')}.",
        panels=[
            FigurePanel(
                x=clock_axis(x[0], x[-1]),
                y=from_zero("time of all layers", "s", top),
                marks=drawn,
            )
        ],
    )


def _basis(timing: Timing) -> str:
    """What the numbers rest on."""
    said = f"Means with one standard deviation. Provenance: {timing.provenance}"
    if timing.measured is not None:
        said += f", from {timing.measured.samples} samples"
    if timing.estimated is not None:
        said += f", shared out over cuts by {timing.estimated.rule.replace('_', ' ')}"
    return f"{said}. {timing.reference}" if timing.reference else f"{said}."
