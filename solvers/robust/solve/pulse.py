"""How a solve is watched: it looks up from its work several times a second, and knows when its time
is over.
"""

from solvers.outcome import Options, Progress, Report, silent

# Often enough to stop within the blink of an eye, seldom enough to cost nothing.
_EVERY_S = 0.1


class Pulse:
    """Progress of one solve: stages with their parts of the whole, the best energy and the best
    bound so far [J].
    """

    def __init__(self, options: Options | None = None, report: Report = silent) -> None:
        options = options or Options()
        self._clock, self._report, self._limit_s = options.clock, report, options.time_limit_s
        self._began = self._last = self._clock()
        self._stage, self._low, self._high = "", 0.0, 0.0
        self._fraction = 0.0
        self.energy_j: float | None = None
        self.bound_j: float | None = None

    @property
    def late(self) -> bool:
        """Whether the time limit has passed."""
        return self._clock() - self._began > self._limit_s

    @property
    def due(self) -> bool:
        """Whether the next beat will report."""
        return self._clock() - self._last >= _EVERY_S

    def stage(self, name: str, low: float, high: float) -> None:
        """Begin a stage that takes the whole from one fraction to another; always reported."""
        self._stage, self._low, self._high = name, low, high
        self._tell(self._clock(), low)

    def beat(self, part: float | None = None) -> None:
        """Look up: report where the last report is long ago, `part` of the stage done (default: as
        before).

        Raises whatever the report raises to stop the solve.
        """
        now = self._clock()
        if now - self._last >= _EVERY_S:
            done = (
                self._fraction
                if part is None
                else self._low + (self._high - self._low) * min(part, 1.0)
            )
            self._tell(now, done)

    def wait(self) -> None:
        """Look up in a stage that ends with the time limit at the latest."""
        self.beat((self._clock() - self._began) / self._limit_s if self._limit_s > 0.0 else 1.0)

    def _tell(self, now: float, fraction: float) -> None:
        self._last, self._fraction = now, max(float(fraction), self._fraction)
        self._report(
            Progress(
                stage=self._stage,
                fraction=self._fraction,
                objective=self.energy_j,
                bound=self.bound_j,
            )
        )
