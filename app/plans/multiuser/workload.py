"""A device, a network and a server as options: one per cut and number of bits a feature is sent
with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import FieldError
from app.plans.clock import AtClock, at_clock
from app.plans.plausibility import feature_beyond_memory, server_time_assumed
from app.plans.resolve import Deployment
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Cut, Model
from app.profiles.schemas.profile import FieldWarning
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from app.quantities import LARGEST_INTEGER
from solvers.multiuser.problem import Workloads

_BITS = 8
FULL_PRECISION_BITS = 32
"""Of an element whose number is not told by `feature_elements`."""
# 30 years for one inference: nobody means it, and sums of squares stay far from the end of the
# number range.
LONGEST_S = 1e9


@dataclass(frozen=True, slots=True)
class Workload:
    """The options of one workload as columns of `Workloads`; faults and warnings point into the
    user's entry.
    """

    model: Model
    frequency_hz: float
    columns: dict[str, NDArray[Any]]
    faults: tuple[FieldError, ...]
    warnings: tuple[FieldWarning, ...]


def workload(deployment: Deployment, frequency_hz: float | None) -> Workload:
    """Every cut the device has the memory for, with its feature in full precision and as the
    model's table has it.
    """
    after = deployment.server_timing.body if deployment.server_timing else None
    return _workload(
        deployment.device.body,
        deployment.model.body,
        deployment.device_timing.body,
        deployment.server.body,
        after,
        frequency_hz,
    )


# Profiles never change, and a fleet asks for the same few again and again.
@lru_cache(maxsize=512)
def _workload(
    device: Device,
    model: Model,
    device_timing: Timing,
    server: Server,
    server_timing: Timing | None,
    frequency_hz: float | None,
) -> Workload:
    before = at_clock(device, model, device_timing, frequency_hz)
    after = np.array([_server_s(m, model, server, server_timing) for m in range(len(model.cuts))])
    rows = [
        (m, bits, crossing, loss)
        for m, cut in enumerate(model.cuts)
        if device.memory_byte is None or cut.parameter_byte <= device.memory_byte
        for bits, crossing, loss in _ways_to_send(cut)
    ]
    cut, bits, crossing, loss = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else ([],) * 4
    )
    cut = np.asarray(cut, dtype=np.int64)
    columns = {
        "cut": cut,
        "bits": np.asarray(bits, dtype=np.int64),
        "device_s": before.mean_s[cut],
        "crossing_bit": np.asarray(crossing, dtype=np.float64),
        "server_s": after[cut],
        "loss": np.asarray(loss, dtype=np.float64),
    }
    for column in columns.values():
        column.flags.writeable = False
    return Workload(
        model=model,
        frequency_hz=before.frequency_hz,
        columns=columns,
        faults=tuple(_faults(device, model, before, after, fits=bool(rows))),
        warnings=tuple(_warnings(device, model, server, server_timing)),
    )


def table(workloads: list[Workload]) -> Workloads:
    """All workloads of a problem as one table."""
    return Workloads(
        first=np.cumsum([0, *(len(some.columns["cut"]) for some in workloads)]),
        **{
            name: np.concatenate([some.columns[name] for some in workloads])
            for name in workloads[0].columns
        },
    )


def _server_s(m: int, model: Model, server: Server, timing: Timing | None) -> float:
    """Mean time of the rest on the whole server."""
    if timing is None:
        return (model.cuts[-1].flop - model.cuts[m].flop) / server.capacity_flop_per_s
    mean_s = timing.cuts[m].mean_s
    assert mean_s is not None
    return mean_s


def _ways_to_send(cut: Cut) -> Iterator[tuple[int, float, float]]:
    """(bits per element, bits that cross, loss): full precision first; entries that send no less
    than it are no use.
    """
    full = _BITS * cut.feature_byte
    elements = _elements(cut)
    bits = min(max(1, round(full / elements)), LARGEST_INTEGER) if full else FULL_PRECISION_BITS
    yield bits, float(full), 0.0
    for entry in cut.quantization or ():
        if entry.bits * elements < full:
            yield entry.bits, float(entry.bits * elements), entry.loss


def _elements(cut: Cut) -> float:
    """Elements of a feature; 32 bits each where nobody counted them."""
    return cut.feature_elements or _BITS * cut.feature_byte / FULL_PRECISION_BITS


def _faults(
    device: Device, model: Model, before: AtClock, after: NDArray[np.float64], *, fits: bool
) -> Iterator[FieldError]:
    yield from before.faults
    if not fits:
        least = min(cut.parameter_byte for cut in model.cuts)
        detail = (
            f"no cut of {model.name!r} fits in the memory of {device.name!r} ({device.memory_byte}"
            " byte)"
        )
        yield FieldError("/device", f"{detail}: the smallest needs {least} byte")
    for m in np.flatnonzero(before.mean_s > LONGEST_S)[:1]:
        yield FieldError(
            "/device_timing", f"cut {m} takes {before.mean_s[m]:g} s: at most {LONGEST_S:g} s"
        )
    for m in np.flatnonzero(after > LONGEST_S)[:1]:
        yield FieldError(
            "/server_timing",
            f"the rest after cut {m} takes {after[m]:g} s: at most {LONGEST_S:g} s",
        )


def _warnings(
    device: Device, model: Model, server: Server, server_timing: Timing | None
) -> Iterator[FieldWarning]:
    if server_timing is None:
        yield server_time_assumed(server, model, "remaining flop over its share of the capacity")
    yield from feature_beyond_memory(device, model)
    uncounted = [
        m
        for m, cut in enumerate(model.cuts)
        if cut.quantization and cut.feature_byte and not cut.feature_elements
    ]
    if uncounted:
        yield FieldWarning(
            field="/model",
            message=(
                f"cut {uncounted[0]} of {model.name!r} has a quantization but no feature_elements:"
                f" its elements are taken to have {FULL_PRECISION_BITS} bits in full precision"
            ),
        )
