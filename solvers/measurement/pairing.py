"""Correlation of the two parts of the same inferences."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.measurement.fit import Z_95
from solvers.measurement.samples import FEWEST_SAMPLES, Samples, groups


@dataclass(frozen=True, slots=True)
class Pairing:
    """Correlation of the two parts of the same inferences, with its 95 % interval."""

    pairs: int
    correlation: float
    interval: tuple[float, float]


def pairings(samples: Samples, nominal: Floats) -> dict[int, Pairing]:
    """Correlation of device and server part by cut, within each clock, over the inferences of which
    both are there.
    """
    ordered = np.nonzero(samples.order >= 0)[0]
    key = np.zeros(len(ordered), dtype=np.int64)
    for column in (samples.session, samples.cut, samples.order):
        values, code = np.unique(column[ordered], return_inverse=True)
        key = np.unique(key * len(values) + code.reshape(-1), return_inverse=True)[1].reshape(-1)
    device, server = (samples.part[ordered] == code for code in range(2))
    joint = _join(key[device], key[server])
    first, second = ordered[device][joint[0]], ordered[server][joint[1]]
    found = {}
    for mine in groups(np.arange(len(first)), samples.cut[first]):
        weight, total = 0, 0.0
        for at in groups(mine, nominal[first[mine]]):
            x, y = samples.time_s[first[at]], samples.time_s[second[at]]
            if len(at) >= FEWEST_SAMPLES and np.ptp(x) > 0.0 and np.ptp(y) > 0.0:
                total += len(at) * float(np.corrcoef(x, y)[0, 1])
                weight += len(at)
        if weight:
            found[int(samples.cut[first[mine[0]]])] = _pairing(
                weight, float(np.clip(total / weight, -1.0, 1.0))
            )
    return found


def _pairing(pairs: int, correlation: float) -> Pairing:
    """With Fisher's interval (Metron 1, 1921)."""
    centre, half_width = (
        np.arctanh(np.clip(correlation, -1.0 + 1e-15, 1.0 - 1e-15)),
        Z_95 / np.sqrt(pairs - 3.0),
    )
    return Pairing(
        pairs,
        correlation,
        (float(np.tanh(centre - half_width)), float(np.tanh(centre + half_width))),
    )


def _join(left: Integers, right: Integers) -> tuple[Integers, Integers]:
    """Rows of left and right with the same key, where each has it once."""
    kinds = int(max(left.max(initial=-1), right.max(initial=-1))) + 1
    once = (np.bincount(left, minlength=kinds) == 1) & (np.bincount(right, minlength=kinds) == 1)
    first, second = np.nonzero(once[left])[0], np.nonzero(once[right])[0]
    return first[np.argsort(left[first])], second[np.argsort(right[second])]
