"""How the time of a whole network is shared out over its cuts: by shapes that others measured, by a
law of what is computed and moved, or by FLOP; and how wrong each was where that can be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats
from solvers.later import optimize

# Two times whose logarithms differ by less are equally near: so much lies between two runs of a
# board. Errors over the atlas hardly depend on it, from 0.03 to 1.
_SAME_TIME = 0.3
_EDGE = 0.01  # where next to nothing lies before a cut, so much of the time may after all


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a network computes and moves, (cuts,) each; cumulative but for `feature_byte`."""

    flop: Floats
    feature_byte: Floats  # what crosses each cut
    parameter_byte: Floats

    @property
    def terms(self) -> Floats:
        """(pieces, 4) of what lies between two cuts: FLOP, bytes of features in and out, bytes of
        parameters, and 1.
        """
        moved = self.feature_byte[:-1] + self.feature_byte[1:]
        ones = np.ones_like(moved)
        return np.stack([np.diff(self.flop), moved, np.diff(self.parameter_byte), ones], axis=1)

    @property
    def flop_share(self) -> Floats:
        """(cuts,) part of the FLOP before each cut."""
        return np.asarray(self.flop / self.flop[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class MixLaw:
    """Time of a piece of a network: each of its FLOP, bytes of features in and out, bytes of
    parameters, and itself, takes so many seconds.
    """

    seconds: Floats  # (4,) for each of the terms

    def share(self, work: Work) -> Floats:
        """(cuts,) part of the time before each cut; by FLOP where the law finds nothing to do."""
        until = np.append(0.0, np.cumsum(work.terms @ self.seconds))
        return np.asarray(until / until[-1]) if until[-1] > 0.0 else work.flop_share


def mix_law(works: Sequence[Work], shares: Sequence[Floats], whole_s: Sequence[float]) -> MixLaw:
    """The law of a machine that timed these networks, by non-negative least squares over all their
    pieces.

    Parameters
    ----------
    shares : (cuts,) each, part of the time before each cut.
    whole_s : time of each network [s].

    Notes
    -----
    Times are taken in parts of their network's, so that each network counts the same.
    """
    terms = [work.terms / whole for work, whole in zip(works, whole_s, strict=True)]
    design = np.concatenate(terms)
    scale = design.max(axis=0)
    found, _ = optimize.nnls(design / scale, np.concatenate([np.diff(share) for share in shares]))
    return MixLaw(seconds=np.asarray(found / scale))


def nearness(whole_s: Floats, time_s: float) -> Floats:
    """Weights (boards,) of boards that took `whole_s` for a network which takes `time_s` on ours:
    the nearer the logarithms, the more. They add up to 1.

    A mean with these weights errs less than the nearest board alone: single boards have quirks.
    """
    weight = 1.0 / (_SAME_TIME + np.abs(np.log(whole_s / time_s)))
    return np.asarray(weight / weight.sum())


def spread(share: Floats) -> Floats:
    """How errors of shares spread over the cuts, 1 in the middle of the time: near its ends there
    is less to be wrong about, as on a bridge between two known points.
    """
    at = np.clip(share, 0.0, 1.0)
    return np.asarray(2.0 * np.sqrt((at + _EDGE) * (1.0 - at + _EDGE)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingErrors:
    """How wrong a way of sharing was over cases that it was not made from.

    The largest error over the cuts of each case, in parts of the whole time: its median, 90 %
    quantile and largest; and, in units of `spread`, the 90 % quantile and the root of the mean
    square of the same.
    """

    cases: int
    median: float
    p90: float
    largest: float
    spread_p90: float
    spread_rms: float

    def interval(self, share: Floats) -> tuple[Floats, Floats]:
        """(cuts,) ends between which all shares of nine in ten networks lie; the first and the last
        cut are certain.
        """
        away = self.spread_p90 * _inner(share)
        return np.maximum(share - away, 0.0), np.minimum(share + away, 1.0)

    def deviation(self, share: Floats) -> Floats:
        """(cuts,) root of the mean square error of each share."""
        return self.spread_rms * _inner(share)


def sharing_errors(cases: Sequence[tuple[Floats, Floats]]) -> SharingErrors:
    """Of shares (cuts,) as they were told and as they were measured, case by case."""
    worst = np.array([np.max(np.abs(told - measured)) for told, measured in cases])
    spreads = np.array([np.max(np.abs(told - measured) / spread(told)) for told, measured in cases])
    return SharingErrors(
        cases=len(cases),
        median=float(np.median(worst)),
        p90=_nine_of_ten(worst),
        largest=float(worst.max()),
        spread_p90=_nine_of_ten(spreads),
        spread_rms=float(np.sqrt(np.mean(spreads**2))),
    )


def _nine_of_ten(values: Floats) -> float:
    """What nine of ten cases do not exceed, and neither does, nine times of ten, the next one."""
    rank = min(int(np.ceil(0.9 * (len(values) + 1))), len(values))
    return float(np.sort(values)[rank - 1])


def _inner(share: Floats) -> Floats:
    found = spread(share)
    found[0] = found[-1] = 0.0
    return found
