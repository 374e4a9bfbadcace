"""Workloads whose options are bounded by the samples behind their timings."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from app.errors import FieldError
from app.plans.resolve import Deployment
from app.plans.robust.schemas import SAMPLED, RobustOptions
from app.plans.robust.workload import EvidenceTerms, Grounds, Meanings, Terms, Workload
from app.profiles.schemas.profile import FieldWarning
from app.samples.series import Series, SeriesReader
from solvers.arrays import Booleans, Floats, Integers
from solvers.evidence.certificates import Certified, Evidence, OptionSamples, Selection, certify
from solvers.evidence.check import holds
from solvers.evidence.modes import LEVEL as MODES_LEVEL
from solvers.evidence.modes import one_mode_p_value
from solvers.evidence.ranks import Bound, bound_of
from solvers.evidence.series import thinned
from solvers.margin import Margin
from solvers.moments import margin_factor, total_variance
from solvers.stationarity import significant, wander

DEFAULT_CONFIDENCE = 0.95
_LISTED = 5

Key = tuple[int, float, int]  # cut, clock and server: what is measured


@dataclass(frozen=True, slots=True)
class Promise:
    """What a user is promised, as far as bounds depend on it."""

    risk: float
    correlation: float


class UncertifiedBound(Exception):
    """A bound does not follow from its samples: a fault of ours."""


@dataclass(frozen=True, slots=True)
class _Times:
    """What is known of the times of one key."""

    parts: tuple[Floats, ...]  # in the order of measurement, then thinned; none: it never varies
    device: Floats | None  # the device's part alone
    mean_s: float  # planned, of what is in `parts`
    samples: int  # the fewest of any part, before they were thinned
    unknown: bool  # something varies of which there are no samples
    p_value: float  # that steady times wander as much
    drifts: bool
    measured_at: str | None


def evidence_of(options: RobustOptions) -> EvidenceTerms | None:
    """What the options say of margins that rest on samples; None for other margins."""
    if options.margin not in SAMPLED:
        return None
    return EvidenceTerms(
        evidence=Evidence(options.margin),
        delta=1.0 - (options.confidence or DEFAULT_CONFIDENCE),
        selection=Selection(options.selection or Selection.UNION),
        fallback=None if options.fallback is None else Margin(options.fallback),
        accept_drift=bool(options.accept_drift),
    )


def certified(
    made: Workload, deployment: Deployment, terms: Terms, promise: Promise, reader: SeriesReader
) -> Workload:
    """The options of a workload that samples bound at a promised risk; others by the fallback
    margin, or left out.
    """
    assert terms.evidence is not None
    evidence = terms.evidence
    keys, of = _keys(made)
    times = _gated([_times(made, deployment, key, reader) for key in keys], evidence)
    proven = _proven(made, keys, of, times, evidence, promise)
    excess = proven.excess_s[of] + _unmeasured_s(made, of)
    device_excess = _device_excess(made, of, times, proven, evidence, promise)
    rests = np.isfinite(excess)
    if evidence.fallback is not None:
        total, device = _by_moments(made, evidence.fallback, promise)
        excess = np.where(rests, excess, total)
        device_excess = np.where(rests, device_excess, device)
    device_excess = np.where(np.isfinite(device_excess), device_excess, excess)
    kept = np.isfinite(excess)
    effective = np.where(rests, np.array(proven.samples)[of], 0)
    raw = np.where(rests, np.array([one.samples for one in times])[of], 0)
    columns = made.columns | {
        "device_excess_s": device_excess,
        "server_excess_s": excess - device_excess,
    }
    measured = sorted(one.measured_at for one in times if one.measured_at is not None)
    faults = tuple(_faults(keys, proven, times, kept))
    if faults:
        return replace(made, faults=(*made.faults, *faults))
    return replace(
        made,
        columns={name: column[kept] for name, column in columns.items()},
        load_s=made.load_s[kept],
        meanings=_kept_meanings(made.meanings, kept, raw, effective),
        evidence=Grounds(proven.compared, measured[0] if measured else None),
        warnings=(*made.warnings, *_warnings(made, rests, times, evidence)),
    )


def of_one_mode(made: Workload, deployment: Deployment, reader: SeriesReader) -> Workload:
    """The options of a workload whose samples do not show a second mode, for the margin that
    assumes one; where there are no samples it is assumed.
    """
    timings = (deployment.device_timing, *(host.timing for host in deployment.hosts))
    if all(one is None or one.body.measured is None for one in timings):
        return made
    keys, of = _keys(made)
    times = [_times(made, deployment, key, reader) for key in keys]
    tested = [[one_mode_p_value(part) for part in one.parts] for one in times]
    known = [[p for p in some if p is not None] for some in tested]
    p_values = [min((p * len(some) for p in some), default=1.0) for some in known]
    two = significant(p_values, MODES_LEVEL)[of]
    if two.all():
        detail = "the samples of every option have more than one mode: plan cantelli, or samples"
        return replace(made, faults=(*made.faults, FieldError("/device_timing", detail)))
    samples = np.array([one.samples if some else 0 for one, some in zip(times, known, strict=True)])
    measured = sorted(one.measured_at for one in times if one.measured_at is not None)
    warnings = made.warnings
    if two.any():
        message = (
            f"the samples of {int(two.sum())} of {len(two)} options have more than one mode (dip"
            " test): they are left out, for the unimodal margin does not hold for them"
        )
        warnings = (*warnings, FieldWarning(field="/device_timing", message=message))
    return replace(
        made,
        columns={name: column[~two] for name, column in made.columns.items()},
        load_s=made.load_s[~two],
        meanings=_kept_meanings(made.meanings, ~two, samples[of], samples[of]),
        evidence=Grounds(sum(map(bool, known)), measured[0] if measured else None),
        warnings=warnings,
    )


def _keys(made: Workload) -> tuple[list[Key], Integers]:
    """The distinct things to be measured, and which of them each option needs."""
    columns = made.columns
    numbers: dict[Key, int] = {}
    hosts = np.where(made.meanings.tier >= 0, -2 - made.meanings.tier, made.meanings.host)
    of = [
        numbers.setdefault((int(cut), float(clock), int(host)), len(numbers))
        for cut, clock, host in zip(columns["cut"], columns["clock_max_hz"], hosts, strict=True)
    ]
    return list(numbers), np.array(of)


def _plain(made: Workload, key: Key) -> int:
    """The option of a key that sends the plain tensor: it comes first."""
    cut, clock, _ = key
    same = (made.columns["cut"] == cut) & (made.columns["clock_max_hz"] == clock)
    return int(np.nonzero(same)[0][0])


def _unmeasured_s(made: Workload, of: Integers) -> Floats:
    """Coding that varies was never measured together with the rest: NaN, else 0."""
    device = made.columns["device_variance_s2"]
    least = np.full(int(of.max()) + 1, np.inf)
    np.minimum.at(least, of, device)
    return np.where(device > least[of], np.nan, 0.0)


def _times(made: Workload, deployment: Deployment, key: Key, reader: SeriesReader) -> _Times:
    cut, clock, host = key
    row = _plain(made, key)
    columns = made.columns
    device_varies = columns["device_variance_s2"][row] > 0.0
    of_key = (columns["cut"] == cut) & (columns["clock_max_hz"] == clock)
    hosts = np.where(made.meanings.tier >= 0, -2 - made.meanings.tier, made.meanings.host)
    mine = int(np.nonzero(of_key & (hosts == host))[0][0])
    server_varies = columns["server_variance_s2"][mine] > 0.0
    free = columns["cycles"][row] > 0.0
    device = server = None
    if device_varies and not free:
        source = deployment.device_timing
        if source.stored is not None:
            device = reader.find(
                source.stored, source.body, "device", cut, deployment.device.body, clock
            )
    if server_varies and host >= 0:
        timing = deployment.hosts[host].timing
        if timing is not None and timing.stored is not None:
            server = reader.find(timing.stored, timing.body, "server", cut)
    unknown = (device_varies and device is None) or (server_varies and server is None) or free
    means = (columns["overhead_s"][row], columns["server_mean_s"][mine])
    return _joined(device, server, means, unknown=bool(unknown))


def _joined(
    device: Series | None, server: Series | None, means: tuple[float, float], *, unknown: bool
) -> _Times:
    found = [one for one in (device, server) if one is not None]
    mean = sum(
        float(one) for one, some in zip(means, (device, server), strict=True) if some is not None
    )
    paired = device.paired(server) if device is not None and server is not None else None
    parts = [paired] if paired is not None else [one.time_s for one in found]
    return _Times(
        parts=tuple(parts),
        device=None if device is None else device.time_s,
        mean_s=mean,
        samples=min((len(part) for part in parts), default=0),
        unknown=unknown,
        p_value=min((wander(part).p_value * len(parts) for part in parts), default=1.0),
        drifts=False,
        measured_at=min((one.measured_at for one in found), default=None),
    )


def _gated(times: list[_Times], evidence: EvidenceTerms) -> list[_Times]:
    """Times thinned to what is exchangeable; those that drift are none, unless that is accepted,
    for times to come need not be like them.
    """
    drifts = significant([one.p_value for one in times])
    gated = []
    for one, wanders in zip(times, drifts.tolist(), strict=True):
        gated.append(
            replace(
                one,
                parts=tuple(thinned(part, wanders=wanders) for part in one.parts),
                device=None if one.device is None else thinned(one.device, wanders=wanders),
                unknown=one.unknown or (wanders and not evidence.accept_drift),
                drifts=wanders,
            )
        )
    return gated


def _proven(
    made: Workload,
    keys: list[Key],
    of: Integers,
    times: list[_Times],
    evidence: EvidenceTerms,
    promise: Promise,
) -> Certified:
    """Bounds of the keys, each checked by formulas of its own."""
    columns = made.columns
    power = (
        columns["static_power_w"]
        + columns["power_coefficient"] * columns["clock_max_hz"] ** columns["power_exponent"]
    )
    compute_j = power * columns["overhead_s"] + columns["fixed_energy_j"]
    options = []
    for k, one in enumerate(times):
        mine = of == k
        costs = float(compute_j[mine].min()), float(columns["crossing_bit"][mine].min())
        parts = () if one.unknown else one.parts
        options.append(OptionSamples(parts, 0.0 if one.parts else one.mean_s, one.mean_s, costs))
    found = certify(options, promise.risk, evidence.delta, evidence.evidence, evidence.selection)
    excess = np.array(found.excess_s)
    excess[[one.unknown for one in times]] = np.nan
    if evidence.evidence is Evidence.SAMPLES:
        share = evidence.delta / found.compared
        for bounds, parts in zip(found.parts_s, found.used, strict=True):
            if bounds and not holds(bounds, parts, promise.risk, share):
                raise UncertifiedBound(f"{bounds} s at {promise.risk} of {keys}")
    return replace(found, excess_s=excess)


def _device_excess(
    made: Workload,
    of: Integers,
    times: list[_Times],
    proven: Certified,
    evidence: EvidenceTerms,
    promise: Promise,
) -> Floats:
    """The device's own bound over its mean, which keeps a stream going; NaN where there is none."""
    excess = np.zeros(len(times))
    share = evidence.delta / proven.compared
    for k, one in enumerate(times):
        if one.device is not None:
            bound = bound_of([one.device], promise.risk, share)
            row = int(np.nonzero(of == k)[0][0])
            mean = made.columns["overhead_s"][row]
            excess[k] = bound.time_s - mean if isinstance(bound, Bound) else np.nan
    return np.asarray(excess[of])


def _by_moments(made: Workload, margin: Margin, promise: Promise) -> tuple[Floats, Floats]:
    """Seconds that a margin of moments keeps for the whole, and for the device's part."""
    columns = made.columns
    factor = float(margin_factor(np.array([promise.risk]), margin)[0])
    variance = total_variance(
        columns["device_variance_s2"],
        columns["server_variance_s2"],
        0.0,
        np.full(len(columns["cut"]), promise.correlation),
        columns["device_variance_low_s2"],
    )
    return factor * np.sqrt(variance), factor * np.sqrt(columns["device_variance_s2"])


def _kept_meanings(
    meanings: Meanings, kept: Booleans, samples: Integers, effective: Integers
) -> Meanings:
    told = replace(meanings, samples=samples, effective_samples=effective)
    return replace(
        told,
        **{
            field.name: getattr(told, field.name)[kept]
            for field in fields(told)
            if field.name != "codecs"
        },
    )


def _faults(
    keys: list[Key], proven: Certified, times: list[_Times], kept: Booleans
) -> Iterator[FieldError]:
    """No option is left: what would have to be measured."""
    if kept.any():
        return
    drifting = sum(one.drifts for one in times)
    short = [n for n in range(len(keys)) if proven.missing[n] > 0]
    if drifting:
        detail = (
            f"the samples of {drifting} options drift, so that times to come need not be like them:"
            " measure again, or set options.accept_drift"
        )
    elif short:
        nearest = min(short, key=lambda n: proven.missing[n])
        cut, clock, _ = keys[nearest]
        detail = (
            f"{proven.missing[nearest]} samples are missing at the nearest option (cut {cut},"
            f" {clock:g} Hz; {len(keys)} options share the doubt): measure more, accept more risk,"
            " or name a fallback margin"
        )
    else:
        detail = (
            "no samples are behind the timings of any option: measure it"
            " (POST /v1/timings/{name}/measurements), or name a fallback margin"
        )
    yield FieldError("/device_timing", detail)


def _warnings(
    made: Workload, rests: Booleans, times: list[_Times], evidence: EvidenceTerms
) -> Iterator[FieldWarning]:
    varies = (made.columns["device_variance_s2"] > 0.0) | (made.columns["server_variance_s2"] > 0.0)
    left = int(np.count_nonzero(~rests & varies))
    if left:
        what = (
            "are left out"
            if evidence.fallback is None
            else f"keep the {evidence.fallback} margin instead"
        )
        message = f"{left} of {len(rests)} options have too few steady samples behind them: they"
        yield FieldWarning(field="/device_timing", message=f"{message} {what}")
    if evidence.accept_drift and any(one.drifts for one in times):
        message = "samples drift, and are taken all the same: the guarantee is as good as they are"
        yield FieldWarning(field="/device_timing", message=message)
