"""A device, a network and its servers as the options of one workload: where profiles become cycles,
bits and seconds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import FieldError
from app.plans.plausibility import (
    feature_beyond_memory,
    lossy_codecs_unused,
    power_from_one_clock,
    radiated_power_taken,
    server_time_assumed,
)
from app.plans.resolve import Deployment, Host
from app.plans.robust.clocks import ENERGY_SOURCES, Clock, clocks
from app.plans.robust.hosting import Hosting, Hostings, TimedServer
from app.plans.robust.sending import Sending, codecs_unused, sendings
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning, Provenance
from app.profiles.schemas.timing import Timing
from solvers.arrays import Floats, Integers
from solvers.evidence.certificates import Evidence, Selection
from solvers.margin import Margin
from solvers.robust.problem import Workloads

_BITS = 8
# Every option of every user is priced: tiers behind many cuts, with many clocks, are many.
_MOST_OPTIONS = 100_000
# Larger tables take longer to solve than to make, and much memory to keep.
KEPT_ROWS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a request says that makes other options of the same profiles."""

    margin: Margin = Margin.CANTELLI
    energy: Literal["marginal", "whole"] = "marginal"
    streams: bool = False
    """Whether users say how often they infer: only then servers have budgets."""
    lossy: bool = False
    """Whether what is sent may lose accuracy."""
    evidence: "EvidenceTerms | None" = None
    """How samples bound the times of options; None where the margin rests on moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTerms:
    """What a request says of margins that rest on samples."""

    evidence: Evidence
    delta: float  # 1 - confidence
    selection: Selection
    fallback: Margin | None
    accept_drift: bool


@dataclass(frozen=True, slots=True)
class Meanings:
    """What each option stands for beside its numbers; -1: nothing of the kind."""

    energy_source: Integers  # position in ENERGY_SOURCES
    codec: Integers  # position in `codecs`
    host: Integers  # position among the servers
    tier: Integers  # position among the servers
    tier_cut: Integers
    samples: Integers  # the fewest behind any part of its bound; 0: it rests on none
    effective_samples: Integers  # of these, exchangeable
    codecs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """The options of one workload as columns of `Workloads`; faults and warnings point into the
    user's entry.
    """

    columns: dict[str, NDArray[Any]]
    standby_power_w: float
    energy_j_per_bit: float
    load_s: Floats  # (options, servers) seconds of each server, those of the tiers last
    meanings: Meanings
    figures: frozenset[Provenance]  # of the codecs
    evidence: "Grounds | None"
    faults: tuple[FieldError, ...]
    warnings: tuple[FieldWarning, ...]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the bounds of a workload rest on."""

    compared: int  # options among which the doubt was shared out
    measured_at: str | None  # when the oldest of the measurements was made


@dataclass(frozen=True, slots=True)
class _Row:
    """A cut with one way to send, to compute and to have the rest computed."""

    cut: int
    fits_memory: bool
    result_bit: float
    sending: Sending
    clock: Clock
    hosting: Hosting


_NUMBERS: dict[str, type[Clock | Sending | Hosting]] = {
    field.name: kind
    for kind in (Sending, Clock, Hosting)
    for field in fields(kind)
    if field.name in Workloads.per_row()
}


def workload(deployment: Deployment, terms: Terms) -> Workload:
    """Every cut in every codec at every clock the device offers, finished by every server."""
    return _workload(
        deployment.device.body,
        deployment.model.body,
        deployment.device_timing.body,
        tuple(_timed(host) for host in deployment.hosts),
        tuple(
            _timed(tier.host, tier.backhaul_bps, tier.backhaul_rtt_s) for tier in deployment.tiers
        ),
        terms,
    )


def _timed(host: Host, *line: float) -> TimedServer:
    return TimedServer(host.server.body, host.timing.body if host.timing else None, *line)


# Profiles never change, and a fleet asks for the same few again and again.
@lru_cache(maxsize=512)
def _workload(
    device: Device,
    model: Model,
    device_timing: Timing,
    hosts: tuple[TimedServer, ...],
    tiers: tuple[TimedServer, ...],
    terms: Terms,
) -> Workload:
    rows: list[_Row] = []
    for some in _rows(device, model, device_timing, hosts, tiers, terms):
        rows += some
        if len(rows) > _MOST_OPTIONS:
            break
    codecs = tuple(dict.fromkeys(row.sending.codec for row in rows if row.sending.codec))
    load = np.zeros((len(rows), len(hosts) + len(tiers)))
    for n, row in enumerate(rows):
        for server, seconds in row.hosting.loads_s:
            load[n, server] += seconds
    return Workload(
        columns=_columns(rows),
        standby_power_w=(device.idle_power_w or 0.0) if terms.energy == "whole" else 0.0,
        energy_j_per_bit=device.radio.energy_j_per_bit if device.radio else 0.0,
        load_s=load,
        meanings=Meanings(
            energy_source=_codes(row.clock.energy_source for row in rows),
            codec=_codes(
                codecs.index(row.sending.codec) if row.sending.codec else -1 for row in rows
            ),
            host=_codes(row.hosting.host for row in rows),
            tier=_codes(
                row.hosting.tier + len(hosts) if row.hosting.tier >= 0 else -1 for row in rows
            ),
            tier_cut=_codes(row.hosting.tier_cut for row in rows),
            samples=np.zeros(len(rows), np.int64),
            effective_samples=np.zeros(len(rows), np.int64),
            codecs=codecs,
        ),
        figures=frozenset(row.sending.provenance for row in rows if row.sending.provenance),
        evidence=None,
        faults=tuple(_faults(rows, model, device, terms)),
        warnings=tuple(_warnings(rows, device, model, (*hosts, *tiers), terms)),
    )


def _codes(values: Iterator[int]) -> Integers:
    return np.fromiter(values, np.int64)


def _columns(rows: Sequence[_Row]) -> dict[str, NDArray[Any]]:
    part = {Sending: "sending", Clock: "clock", Hosting: "hosting"}
    columns = {
        name: np.array([getattr(getattr(row, part[kind]), name) for row in rows])
        for name, kind in _NUMBERS.items()
    }
    for name in ("cut", "fits_memory", "result_bit"):
        columns[name] = np.array([getattr(row, name) for row in rows])
    return columns


def table(workloads: Sequence[Workload], load_s: Floats | None = None) -> Workloads:
    """All workloads of a problem as one table, with the seconds of servers that have a budget."""
    rows = sum(len(some.load_s) for some in workloads)
    if load_s is not None and load_s.size:
        return _table(workloads, load_s)
    if rows > KEPT_ROWS:
        return _table(workloads, np.zeros((rows, 0)))
    return _kept_table(tuple(workloads))


# The same workloads come again and again, each the same object (see `_workload`).
@lru_cache(maxsize=128)
def _kept_table(workloads: tuple[Workload, ...]) -> Workloads:
    return _table(workloads, np.zeros((sum(len(some.load_s) for some in workloads), 0)))


def _table(workloads: Sequence[Workload], load_s: Floats) -> Workloads:
    first = np.cumsum([0, *(len(some.columns["cut"]) for some in workloads)])
    return Workloads(
        first=first,
        server_load_s=load_s,
        **{
            name: np.array([getattr(some, name) for some in workloads])
            for name in Workloads.per_workload()
        },
        **{
            name: np.concatenate([some.columns[name] for some in workloads])
            for name in workloads[0].columns
        },
    )


def _rows(
    device: Device,
    model: Model,
    device_timing: Timing,
    hosts: Sequence[TimedServer],
    tiers: Sequence[TimedServer],
    terms: Terms,
) -> Iterator[list[_Row]]:
    """The options, cut by cut: the plain tensor first, then the codecs; each at each clock; each
    finished by each server.
    """
    hostings = Hostings(model, hosts, tiers, streams=terms.streams)
    for m, (cut, entry) in enumerate(zip(model.cuts, device_timing.cuts, strict=True)):
        fits = device.memory_byte is None or cut.parameter_byte <= device.memory_byte
        returns = m < len(model.cuts) - 1 and cut.feature_byte > 0
        result_bit = float(_BITS * (model.result_byte or 0)) if returns else 0.0
        for sending in sendings(cut, lossy=terms.lossy):
            if terms.margin is Margin.WORST_CASE and sending.device_variance_s2 > 0.0:
                continue  # nobody knows the worst of its coding
            finished = list(hostings.after(m, sending))
            yield [
                _Row(m, fits, result_bit, sending, clock, hosting)
                for clock in clocks(
                    device, cut.flop, entry, sending, measured_only=terms.evidence is not None
                )
                for hosting in finished
            ]


def _faults(
    rows: Sequence[_Row], model: Model, device: Device, terms: Terms
) -> Iterator[FieldError]:
    if len(rows) > _MOST_OPTIONS:
        detail = (
            f"{model.name!r} has more than {_MOST_OPTIONS} options on {device.name!r}: cuts,"
            " codecs, clocks, servers and second cuts multiply; offer fewer of them"
        )
        yield FieldError("/model", detail)
        return
    if terms.energy == "whole" and device.idle_power_w is None:
        detail = (
            "the whole energy counts what the device draws while it waits: give idle_power_w of"
            f" {device.name!r}, or plan with the energy marginal"
        )
        yield FieldError("/device/idle_power_w", detail)
    for m in range(len(model.cuts)):
        mine = [row for row in rows if row.cut == m]
        if not mine:
            detail = f"cut {m} has neither flop_per_cycle nor a level at a clock of {device.name!r}"
            yield FieldError("/device_timing", detail)
        if terms.margin is Margin.WORST_CASE:
            detail = f"the worst_case margin needs worst_s, which cut {m} does not have"
            if any(math.isnan(row.clock.device_excess_s) for row in mine):
                yield FieldError("/device_timing", detail)
            if any(math.isnan(row.hosting.server_excess_s) for row in mine):
                yield FieldError("/server_timing", detail)


def _warnings(
    rows: Sequence[_Row], device: Device, model: Model, sites: Sequence[TimedServer], terms: Terms
) -> Iterator[FieldWarning]:
    for site in sites:
        if site.timing is None:
            yield server_time_assumed(
                site.server, model, "remaining flop over capacity, without variance"
            )
    yield from feature_beyond_memory(device, model)
    yield from radiated_power_taken(device)
    if any(ENERGY_SOURCES[row.clock.energy_source] == "law" for row in rows):
        yield from power_from_one_clock(device)
    if not terms.lossy and (named := codecs_unused(model)):
        yield lossy_codecs_unused(model, named)
