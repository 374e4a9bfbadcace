"""How many exchangeable times a stretch of consecutive ones is worth."""

import numpy as np

from solvers.arrays import Floats

_FEWEST = 20  # times that must be left for a correlation to say anything
_Z_95 = 1.96
_STRETCHES = 8


def independence_lag(times: Floats) -> int:
    """Steps from one time to the next that no longer resembles it; 1 where neighbours do not.

    The least lag from which on the autocorrelation, and that of the distances from the median
    (which tells bursts), are no larger than independent times show, for three lags in a row. Times
    that take turns are told from their neighbours' and need no thinning: only those that resemble
    each other are worth fewer than they are.
    """
    count = len(times)
    if count < _FEWEST or float(np.ptp(times)) == 0.0:
        return 1
    limit = _Z_95 / np.sqrt(count)
    most = count // _FEWEST
    quiet = np.ones(most + 3, dtype=np.bool_)
    for values in (times, np.abs(times - np.median(times))):
        own = _autocorrelation(values, most + 3)
        quiet &= own[1:] <= limit * _spread(own)[1:]
    for lag in range(1, most + 1):
        if quiet[lag - 1 : lag + 2].all():
            return lag
    return max(most, 1)


def thinned(times: Floats, *, wanders: bool = False) -> Floats:
    """Every l-th time, l the lag at which they are independent: what counts as exchangeable.

    Of times whose mean `wanders`, and that are taken all the same, the lag is that about the means
    of eight stretches: what wanders resembles itself at every lag.
    """
    about = times
    if wanders and len(times) >= _STRETCHES:
        stretches = np.array_split(times, _STRETCHES)
        about = np.concatenate([one - one.mean() for one in stretches])
    return times[:: independence_lag(about)]


def _autocorrelation(values: Floats, most: int) -> Floats:
    """Of lags 0..most, by the fast Fourier transform."""
    centred = values - values.mean()
    size = 1 << int(2 * len(values) - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    found = np.fft.irfft(power, size)[: most + 1]
    return np.asarray(found / found[0]) if found[0] > 0.0 else np.eye(1, most + 1)[0]


def _spread(own: Floats) -> Floats:
    """Bartlett's factor: how much wider the estimate at a lag strays, given the lags before."""
    before = np.concatenate(([0.0, 0.0], np.cumsum(np.square(own[1:-1]))))
    return np.asarray(np.sqrt(1.0 + 2.0 * before))
