"""The power of a device over its clock."""

import numpy as np

from app.figures.description import Figure, FigureAxis, FigureMarks, FigurePanel
from app.figures.marks import from_zero, marks
from app.figures.scales import quantity
from app.profiles.schemas.device import Device

POWER_TITLE = "Power over the clock"
_STEPS = 33


def clock_axis(low: float, high: float) -> FigureAxis:
    """An axis of clocks, a little longer than from the least to the largest."""
    beside = 1.05 if high > 1.5 * low else 1.3
    return FigureAxis(label="clock", unit="Hz", scale="log", low=low / beside, high=high * beside)


def power(device: Device) -> Figure:
    """What computing draws at each clock, by the law and as it was measured."""
    law = device.power_law
    levels = device.frequency_levels_hz or ()
    low, high = device.frequency_min_hz, device.frequency_max_hz
    x = np.geomspace(low, high, _STEPS) if high > low else np.array([high])
    y = law.static_w + law.coefficient * x**law.exponent
    measured = device.level_power_w or ()
    drawn: list[FigureMarks] = []
    has_law = device.level_power_w is None or law.coefficient > 0.0
    if has_law:
        drawn.append(marks("line", "part-1", x, y, label="law"))
    if measured:
        texts = [
            f"{quantity(f, 'Hz')}: {quantity(w, 'W')}"
            for f, w in zip(levels, measured, strict=True)
        ]
        drawn.append(marks("points", "part-2", levels, measured, texts=texts, label="measured"))
    elif levels:
        at = np.array(levels)
        drawn.append(
            marks(
                "points",
                "part-1",
                at,
                law.static_w + law.coefficient * at**law.exponent,
                label="clocks that there are",
            )
        )
    tops = [*measured, *(y if has_law else ())]
    said = f"{quantity(tops[-1], 'W')} at {quantity(high, 'Hz')}"
    basis = f"Power while computing, above idle. Provenance: {device.provenance}"
    return Figure(
        name="power",
        title=POWER_TITLE,
        caption=f"{basis}. {device.reference}" if device.reference else f"{basis}.",
        alternative=f"Computing takes {said}, above idle.",
        panels=[
            FigurePanel(
                x=clock_axis(low, high),
                y=from_zero("power", "W", float(max(tops))),
                marks=drawn,
            )
        ],
    )
