"""Measurement files of a process whose law is known."""

from typing import Any

import httpx
import numpy as np

from tests.support.builders import Body, a_device, a_model, a_server

CLOCKS_HZ = (2e8, 4e8, 6e8, 8e8, 1e9)
FLOP = np.array([cut["flop"] for cut in a_model()["cuts"]], dtype=float)
FLOP_PER_CYCLE, OVERHEAD_S, VARIATION = 4.0, 0.002, 0.02
SERVER_FLOP_PER_S = 4e12
STARTED_AT = "2026-11-01T08:00:00Z"


def device_mean_s(cut: int, frequency_hz: float) -> float:
    """What the device takes for the layers up to a cut."""
    return float(FLOP[cut] / FLOP_PER_CYCLE / frequency_hz + OVERHEAD_S) if cut else 0.0


def server_mean_s(cut: int) -> float:
    """What the server takes for those after it."""
    return float((FLOP[-1] - FLOP[cut]) / SERVER_FLOP_PER_S + 0.001) if cut < len(FLOP) - 1 else 0.0


def times(
    mean_s: float, count: int, rng: np.random.Generator, variation: float = VARIATION
) -> list[float]:
    """Gamma times."""
    if mean_s == 0.0:
        return [0.0] * count
    return list(rng.gamma(variation**-2, mean_s * variation**2, count).tolist())


def a_file(
    *,
    count: int = 40,
    sessions: int = 2,
    clocks_hz: tuple[float, ...] = CLOCKS_HZ,
    seed: int = 0,
    **fields: Any,
) -> Body:
    """Device times of every cut but the first, at every clock, in two sessions."""
    rng = np.random.default_rng(seed)
    return {
        "schema_version": 1,
        "model": "small-net",
        "processor": "camera-cpu",
        "sessions": [
            {
                "started_at": STARTED_AT,
                "samples": [
                    {
                        "cut": cut,
                        "part": "device",
                        "frequency_hz": clock,
                        "time_s": times(device_mean_s(cut, clock), count, rng),
                        "order": rng.permutation(count * 100)[:count].tolist(),
                    }
                    for cut in range(1, len(FLOP))
                    for clock in clocks_hz
                ],
            }
            for _ in range(sessions)
        ],
        **fields,
    }


def a_server_file(*, count: int = 60, seed: int = 0, **fields: Any) -> Body:
    """Server times of every cut but the last."""
    rng = np.random.default_rng(seed)
    samples = [
        {
            "cut": cut,
            "part": "server",
            "frequency_hz": None,
            "time_s": times(server_mean_s(cut), count, rng),
        }
        for cut in range(len(FLOP) - 1)
    ]
    body = {
        "schema_version": 1,
        "model": "small-net",
        "processor": "edge-gpu",
        "sessions": [{"samples": samples}],
    }
    return body | fields


def store(client: httpx.Client, **device: Any) -> None:
    """The profiles that measurements are of."""
    for collection, body in (
        ("devices", a_device(**device)),
        ("models", a_model()),
        ("servers", a_server()),
    ):
        answer = client.post(f"/v1/{collection}", json=body)
        assert answer.status_code == 201, answer.text


def at(name: str = "camera-cpu.small-net") -> str:
    """Where the measurements of a timing are."""
    return f"/v1/timings/{name}/measurements"


def measured(
    client: httpx.Client, body: Body | None = None, name: str = "camera-cpu.small-net"
) -> Body:
    """A measurement that must be accepted."""
    answer = client.post(at(name), json=a_file() if body is None else body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())
