"""How far times are from having one mode: the dip.

J. A. Hartigan, P. M. Hartigan: The dip test of unimodality. Ann. Stat. 13 (1985), 70-84.
"""

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.later import optimize


def dip(times: Floats) -> float:
    """The least distance of the times' distribution function to one of a single mode.

    A distribution has one mode m where its distribution function is convex up to m and concave from
    there on; at m it may jump. The mode's interval is narrowed from the whole range (Section 5 of
    the paper): of a function of one mode nearer than `d` the convex part lies under the greatest
    convex minorant of the times' distribution function raised by `d`, the concave one over the
    least concave majorant of it lowered by `d`, and where these two come closer than 2 d a straight
    line leads from one to the other.

    Parameters
    ----------
    times : (n,) times [s], in any order; equal ones are a jump.

    Returns
    -------
    The largest difference of the two functions, in [1 / (2 n), 1/4); 0 if all times are equal.
    """
    values, counts = np.unique(times, return_counts=True)
    if len(values) == 1:
        return 0.0
    at = (values - values[0]) / (values[-1] - values[0])
    above = np.cumsum(counts).astype(np.float64)
    below = above - counts
    twice = 1.0  # the dip, in halves of a time
    while len(at) > 1:
        under, over = _convex_corners(at, below), _convex_corners(at, -above)
        minorant = np.interp(at, at[under], below[under])
        majorant = np.interp(at, at[over], above[over])
        gaps = majorant[under] - below[under], above[over] - minorant[over]
        widest = [int(np.argmax(gap)) for gap in gaps]
        if max(gaps[0][widest[0]], gaps[1][widest[1]]) <= twice:
            break
        if gaps[0][widest[0]] >= gaps[1][widest[1]]:
            first = under[widest[0]]
            last = over[np.searchsorted(over, first)]
        else:
            last = over[widest[1]]
            first = under[np.searchsorted(under, last, side="right") - 1]
        convex, concave = (above - minorant)[:first], (majorant - below)[last + 1 :]
        twice = max(twice, convex.max(initial=0.0), concave.max(initial=0.0))
        mode = slice(first, last + 1)
        at, below, above = at[mode], below[mode], above[mode]
    return float(twice / (2 * len(times)))


def _convex_corners(at: Floats, height: Floats) -> Integers:
    """Where the greatest convex function below points has its corners: its slopes are the isotonic
    regression of theirs.
    """
    width = np.diff(at)
    corners: Integers = optimize.isotonic_regression(np.diff(height) / width, weights=width).blocks
    return corners
