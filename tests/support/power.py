"""Measured power, with what a test does not care about filled in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import InvalidRequest
from tests.support.builders import Body, a_device

LOGS = Path(__file__).parent.parent / "app" / "measurements" / "power" / "data"
CLOCKS_HZ = (2.0e8, 4.0e8, 6.0e8, 8.0e8, 1.0e9)
STATIC_W, CLOCKED_W, EXPONENT, START_J, IDLE_W = 0.4, 1.6, 2.0, 0.05, 1.25
POWER = "/v1/devices/camera-cpu/power-measurements"


def log(*names: str) -> bytes:
    """Logs of a Jetson, one run after the other; those with idle in their name are idle."""
    marks = [f"# {'idle' if 'idle' in name else 'run'} {name}\n".encode() for name in names]
    bodies = [(LOGS / f"{name}.tegra").read_bytes() for name in names]
    return b"".join(mark + body for mark, body in zip(marks, bodies, strict=True))


def power_w(clock_hz: float) -> float:
    """What the camera draws above idle at 1 GHz: 2 W."""
    return STATIC_W + CLOCKED_W * (clock_hz / 1e9) ** EXPONENT


def a_power_file(**fields: Any) -> Body:
    """Energies of two cuts at five clocks over an idle camera, off by up to 1 %."""
    sets: list[Body] = [{"workload": "idle", "power_w": [IDLE_W - 0.01, IDLE_W + 0.01]}]
    for cut, cycles in enumerate((2e8, 6e8)):
        for clock in CLOCKS_HZ:
            time = cycles / clock + 0.01
            energy = power_w(clock) * time + START_J + IDLE_W * time
            sets.append(
                {
                    "workload": f"cut {cut}",
                    "frequency_hz": clock,
                    "time_s": [time] * 3,
                    "energy_j": [energy * factor for factor in (0.99, 1.0, 1.01)],
                }
            )
    return {
        "sessions": [{"started_at": "2026-11-20T09:00:00Z", "samples": sets}],
        **fields,
    }


def store_camera(client: httpx.Client, **fields: Any) -> None:
    """The device whose power is measured."""
    answer = client.post("/v1/devices", json=a_device(**fields))
    assert answer.status_code == 201, answer.text


def refused_at(read: Callable[[], object]) -> tuple[str, str]:
    """Pointer and words of the one fault of a file."""
    with pytest.raises(InvalidRequest) as caught:
        read()
    (fault,) = caught.value.errors
    return fault.pointer, fault.detail
