"""What was measured of the options of a workload."""

from dataclasses import dataclass, fields, replace

import numpy as np

from app.plans.resolve import Deployment
from app.plans.robust.workload import Meanings, Workload
from app.samples.series import Series, SeriesReader
from solvers.arrays import Booleans, Floats, Integers
from solvers.stationarity import wander

Key = tuple[int, float, int]  # cut, clock and server: what is measured


@dataclass(frozen=True, slots=True)
class Times:
    """What is known of the times of one key."""

    parts: tuple[Floats, ...]  # in the order of measurement, then thinned; none: it never varies
    device: Floats | None  # the device's part alone
    mean_s: float  # planned, of what is in `parts`
    samples: int  # the fewest of any part, before they were thinned
    unknown: bool  # something varies of which there are no samples
    p_value: float  # that steady times wander as much
    drifts: bool
    measured_at: str | None


def keys_of(made: Workload) -> tuple[list[Key], Integers]:
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


def times_of(made: Workload, deployment: Deployment, key: Key, reader: SeriesReader) -> Times:
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
) -> Times:
    found = [one for one in (device, server) if one is not None]
    mean = sum(
        float(one) for one, some in zip(means, (device, server), strict=True) if some is not None
    )
    paired = device.paired(server) if device is not None and server is not None else None
    parts = [paired] if paired is not None else [one.time_s for one in found]
    return Times(
        parts=tuple(parts),
        device=None if device is None else device.time_s,
        mean_s=mean,
        samples=min((len(part) for part in parts), default=0),
        unknown=unknown,
        p_value=min((wander(part).p_value * len(parts) for part in parts), default=1.0),
        drifts=False,
        measured_at=min((one.measured_at for one in found), default=None),
    )


def kept_meanings(
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
