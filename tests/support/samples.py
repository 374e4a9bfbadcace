"""Samples of measurements, with what a test does not care about filled in."""

from typing import Any

import numpy as np

from solvers.measurement.samples import Samples


def samples(**columns: Any) -> Samples:
    """Rows of one cut of a device at one clock, unless a test says otherwise."""
    rows = len(columns["time_s"])
    nan = np.full(rows, np.nan)
    defaults: dict[str, Any] = {
        "session": 0,
        "cut": 1,
        "part": 0,
        "frequency_hz": 1e9,
        "requested_hz": nan,
        "order": np.arange(rows),
        "cpu_time_s": nan,
        "involuntary_switches": nan,
    }
    kinds = dict.fromkeys(("session", "cut", "part", "order"), np.int64)
    return Samples(
        **{
            name: np.broadcast_to(np.asarray(value, dtype=kinds.get(name, np.float64)), rows)
            for name, value in (defaults | columns).items()
        }
    )
