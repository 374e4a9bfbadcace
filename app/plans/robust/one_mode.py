"""The unimodal margin: options whose samples show a second mode are none of it."""

from dataclasses import replace

import numpy as np

from app.errors import FieldError
from app.plans.resolve import Deployment
from app.plans.robust.sampled import kept_meanings, keys_of, times_of
from app.plans.robust.workload import Grounds, Workload
from app.profiles.schemas.profile import FieldWarning
from app.samples.series import SeriesReader
from solvers.evidence.modes import LEVEL, one_mode_p_value
from solvers.stationarity import significant


def of_one_mode(made: Workload, deployment: Deployment, reader: SeriesReader) -> Workload:
    """The options of a workload whose samples do not show a second mode, for the margin that
    assumes one; where there are no samples it is assumed.
    """
    timings = (deployment.device_timing, *(host.timing for host in deployment.hosts))
    if all(one is None or one.body.measured is None for one in timings):
        return made
    keys, of = keys_of(made)
    times = [times_of(made, deployment, key, reader) for key in keys]
    tested = [[one_mode_p_value(part) for part in one.parts] for one in times]
    known = [[p for p in some if p is not None] for some in tested]
    p_values = [min((p * len(some) for p in some), default=1.0) for some in known]
    two = significant(p_values, LEVEL)[of]
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
        meanings=kept_meanings(made.meanings, ~two, samples[of], samples[of]),
        evidence=Grounds(sum(map(bool, known)), measured[0] if measured else None),
        warnings=warnings,
    )
