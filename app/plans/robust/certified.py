"""Workloads whose options are bounded by the samples behind their timings."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from app.errors import FieldError
from app.plans.resolve import Deployment
from app.plans.robust.sampled import Key, Times, kept_meanings, keys_of, times_of
from app.plans.robust.schemas import DEFAULT_CONFIDENCE, SAMPLED, RobustOptions
from app.plans.robust.workload import EvidenceTerms, Grounds, Terms, Workload
from app.profiles.schemas.profile import FieldWarning
from app.samples.series import SeriesReader
from solvers.arrays import Booleans, Floats, Integers
from solvers.evidence.certificates import Certified, Evidence, OptionSamples, Selection, certify
from solvers.evidence.check import holds
from solvers.evidence.ranks import Bound, bound_of
from solvers.evidence.series import thinned
from solvers.margin import Margin
from solvers.moments import margin_factor, total_variance
from solvers.stationarity import significant

_LISTED = 5


@dataclass(frozen=True, slots=True)
class Promise:
    """What a user is promised, as far as bounds depend on it."""

    risk: float
    correlation: float


class UncertifiedBound(Exception):
    """A bound does not follow from its samples: a fault of ours."""


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
    keys, of = keys_of(made)
    times = _gated([times_of(made, deployment, key, reader) for key in keys], evidence)
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
        meanings=kept_meanings(made.meanings, kept, raw, effective),
        evidence=Grounds(proven.compared, measured[0] if measured else None),
        warnings=(*made.warnings, *_warnings(made, rests, times, evidence)),
    )


def _unmeasured_s(made: Workload, of: Integers) -> Floats:
    """Coding that varies was never measured together with the rest: NaN, else 0."""
    device = made.columns["device_variance_s2"]
    least = np.full(int(of.max()) + 1, np.inf)
    np.minimum.at(least, of, device)
    return np.where(device > least[of], np.nan, 0.0)


def _gated(times: list[Times], evidence: EvidenceTerms) -> list[Times]:
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
    times: list[Times],
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
    times: list[Times],
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


def _faults(
    keys: list[Key], proven: Certified, times: list[Times], kept: Booleans
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
    made: Workload, rests: Booleans, times: list[Times], evidence: EvidenceTerms
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
