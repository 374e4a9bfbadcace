"""A device, a network and a server as options: one per cut and way to send what crosses it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import FieldError
from app.plans.clock import AtClock, at_clock
from app.plans.multiuser.sending import FULL_PRECISION_BITS, Sending, sendings
from app.plans.plausibility import feature_beyond_memory, server_time_assumed
from app.plans.resolve import Deployment
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning, Provenance
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from solvers.multiuser.problem import Workloads

_BITS = 8
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
    codecs: tuple[str | None, ...]  # of each option
    figures: frozenset[Provenance]  # of the codecs
    faults: tuple[FieldError, ...]
    warnings: tuple[FieldWarning, ...]

    @property
    def options(self) -> Iterator[tuple[int, int, str | None]]:
        """What tells the options apart: cut, bits and codec."""
        columns = self.columns
        return zip(columns["cut"].tolist(), columns["bits"].tolist(), self.codecs, strict=True)


def workload(
    deployment: Deployment,
    frequency_hz: float | None,
    downlink_bps: float | None,
    *,
    deadline: bool,
) -> Workload:
    """Every cut the device has the memory for, with its feature in full precision and as the
    model's tables of quantization and codecs have it.

    `downlink_bps` is of results, None where they take no time. Who has a `deadline` counts the most
    that a codec sends.
    """
    after = deployment.server_timing.body if deployment.server_timing else None
    return _workload(
        deployment.device.body,
        deployment.model.body,
        deployment.device_timing.body,
        deployment.server.body,
        after,
        frequency_hz,
        downlink_bps,
        deadline=deadline,
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
    downlink_bps: float | None,
    *,
    deadline: bool,
) -> Workload:
    before = at_clock(device, model, device_timing, frequency_hz)
    after = np.array([_server_s(m, model, server, server_timing) for m in range(len(model.cuts))])
    rows = [
        (m, sending)
        for m, cut in enumerate(model.cuts)
        if device.memory_byte is None or cut.parameter_byte <= device.memory_byte
        for sending in sendings(cut, deadline=deadline)
    ]
    cut = np.array([m for m, _ in rows], dtype=np.int64)
    ways = [sending for _, sending in rows]
    coding_s = [way.device_s + way.device_cycles / before.frequency_hz for way in ways]
    columns = {
        "cut": cut,
        "bits": np.array([way.bits for way in ways], dtype=np.int64),
        "device_s": before.mean_s[cut] + np.array(coding_s, dtype=np.float64),
        "crossing_bit": np.array([way.crossing_bit for way in ways], dtype=np.float64),
        "server_s": after[cut] + np.array([way.server_s for way in ways], dtype=np.float64),
        "loss": np.array([way.loss for way in ways], dtype=np.float64),
        "result_s": np.where(cut < len(model.cuts) - 1, _result_s(model, downlink_bps), 0.0),
    }
    for column in columns.values():
        column.flags.writeable = False
    return Workload(
        model=model,
        frequency_hz=before.frequency_hz,
        columns=columns,
        codecs=tuple(way.codec for way in ways),
        figures=frozenset(way.provenance for way in ways if way.provenance is not None),
        faults=(
            *_faults(device, model, before, after, fits=bool(rows)),
            *(() if before.faults else _faults_of_ways(ways, coding_s)),
            *_faults_of_result(model, columns["result_s"]),
        ),
        warnings=tuple(_warnings(device, model, server, server_timing)),
    )


def _result_s(model: Model, downlink_bps: float | None) -> float:
    """How long a result takes back."""
    if not model.result_byte or downlink_bps is None:
        return 0.0
    return _BITS * model.result_byte / downlink_bps


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


def _faults_of_ways(ways: list[Sending], coding_s: list[float]) -> Iterator[FieldError]:
    """Codecs that take for ever."""
    for way, seconds in zip(ways, coding_s, strict=True):
        longest_s = max(seconds, way.server_s)
        if not longest_s <= LONGEST_S:
            yield FieldError(
                "/model", f"codec {way.codec!r} takes {longest_s:g} s: at most {LONGEST_S:g} s"
            )
            return


def _faults_of_result(model: Model, result_s: NDArray[np.float64]) -> Iterator[FieldError]:
    longest_s = result_s.max(initial=0.0)
    if not longest_s <= LONGEST_S:
        yield FieldError(
            "/model",
            f"the result of {model.name!r} takes {longest_s:g} s to come back: at most"
            f" {LONGEST_S:g} s",
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
