"""How often callers ask, and whether that is too often."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 10
"""What was not asked is saved up for so long."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a caller has of a rate, after asking."""

    allowed: bool
    quota: int
    """Requests in a window."""
    left: int
    """Requests that would be allowed now."""
    wait_s: int
    """Until all of the quota is there again; where nothing is left, until something is."""


class Rates:
    """The generic cell rate algorithm (ITU-T I.371, annex A, as virtual scheduling): of each caller
    it knows one instant, when all that was asked would have been asked at the given rate.

    Whoever was silent for a window is as one who never came, so that two generations of a window
    each hold all that matters; with more than `most` callers in one of them the longest silent are
    forgotten sooner, which errs in their favour.
    """

    def __init__(self, most: int = 100_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}
        self._since = clock()

    def take(self, who: str, per_second: float) -> Share:
        """Ask once, at most so often; what is refused does not count."""
        return self._asked(who, per_second, 1.0)

    def look(self, who: str, per_second: float) -> Share:
        """Whether asking would be allowed."""
        return self._asked(who, per_second, 0.0)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _asked(self, who: str, per_second: float, times: float) -> Share:
        now = self._clock()
        quota = max(1, math.floor(WINDOW_S * per_second))
        known = self._young.get(who)
        if known is None:
            known = self._old.get(who, now)
        behind_s = max(known - now, 0.0)
        # Counted in requests: rounding of instants makes no request of a quota impossible.
        spent = behind_s * per_second
        allowed = spent + 1.0 <= quota + 1e-6
        if allowed and times:
            spent += times
            self._keep(who, now + spent / per_second, now)
        left = max(0, math.floor(quota - spent + 1e-6))
        until = spent if left else spent + 1.0 - quota
        return Share(allowed, quota, left, max(1, math.ceil(until / per_second - 1e-6)))

    def _keep(self, who: str, instant: float, now: float) -> None:
        if now - self._since >= WINDOW_S or len(self._young) >= self._most:
            idle = now - self._since >= 2 * WINDOW_S
            self._old, self._young, self._since = {} if idle else self._young, {}, now
        self._young[who] = instant
