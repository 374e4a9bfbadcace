"""How a solve is followed and stopped: one object, the same in all families.

Whoever asks for a solve makes a `Progress` and hands it to the solver, which hands it, or parts of
it, down. The solver tells the stage it is in and how far it has come, and asks whether it is over;
the caller hears of it, and may ask for the best plan so far, or for none at all.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from solvers.outcome import relative_gap

# Often enough to stop within the blink of an eye, seldom enough to cost nothing.
_EVERY_S = 0.1


class Stop(StrEnum):
    """How a solve is asked to end before its own end."""

    KEEP_BEST = "keep_best"  # as if its time were over: with the best plan so far
    DROP = "drop"  # at once, with nothing


class Cancelled(Exception):
    """A solve that nobody wants any more; solvers let it pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a solve has come, in the units of the family's objective."""

    stage: str
    fraction: float
    objective: float | None = None
    bound: float | None = None

    @property
    def gap(self) -> float | None:
        """Relative gap so far, where both ends are known."""
        if self.objective is None or self.bound is None:
            return None
        return relative_gap(self.objective, self.bound)


class Stage(StrEnum):
    """What a solver is doing; a family with other stages has an enumeration of its own."""

    SWEEP = "sweep"
    PRICE = "price"
    COMPLETE = "complete"
    BRANCH = "branch"
    EXPLAIN = "explain"
    CUTS = "cuts"
    RESOURCES = "resources"
    DEADLINES = "deadlines"
    PRICES = "prices"
    WALKS = "walks"
    EXCHANGES = "exchanges"
    BRANCH_AND_BOUND = "branch and bound"
    REMEDIES = "remedies"
    PLACEMENT = "placement"
    TABLE = "table"
    BASELINES = "baselines"


Hear = Callable[[Step], None]
Amend = Callable[[Step], Step]


def silent(_: Step, /) -> None:
    """For a caller who only wants the answer."""


def never() -> None:
    """For a caller who does not stop a solve."""


def as_baseline(step: Step, /) -> Step:
    """A step of a baseline within the whole: its objective and bound are not the plan's."""
    return Step(stage=Stage.BASELINES, fraction=step.fraction)


class Progress:
    """Progress of one solve, and its stopping criterion.

    Parameters
    ----------
    hear : receives the steps: the first of every stage, then some ten a second at most. Fractions
        never fall.
    time_limit_s : seconds from now after which the solve is over; infinite: never.
    clock : counts seconds; only its differences matter.
    stop : asked whenever the solver looks up; None: go on. May raise `Cancelled` itself.

    Attributes
    ----------
    objective, bound : the best plan's objective and the best lower bound so far, where known. The
        solver keeps them; they are told with every step.
    """

    def __init__(
        self,
        hear: Hear = silent,
        *,
        time_limit_s: float = 60.0,
        clock: Callable[[], float] = time.perf_counter,
        stop: Callable[[], Stop | None] = never,
    ) -> None:
        self._hear, self._clock, self._stop = hear, clock, stop
        self._last = clock()
        self._ends = self._last + time_limit_s
        self._whole_s = time_limit_s
        self._stage, self._low, self._high, self._fraction = "", 0.0, 1.0, 0.0
        self.objective: float | None = None
        self.bound: float | None = None

    def over(self) -> bool:
        """Whether to end with what there is: the time limit has come, or the best so far is asked
        for.

        Raises
        ------
        Cancelled : where not even that is wanted.
        """
        return self.asked() is Stop.KEEP_BEST or self._clock() >= self._ends

    def left_s(self) -> float:
        """Seconds to the time limit, none where the best so far is asked for. Raises Cancelled."""
        if self.asked() is Stop.KEEP_BEST:
            return 0.0
        return max(self._ends - self._clock(), 0.0)

    def due(self) -> bool:
        """Whether the next tick will be told: what costs to find out need not be known before."""
        return self._clock() - self._last >= _EVERY_S

    def stage(self, stage: StrEnum, low: float = 0.0, high: float = 1.0) -> None:
        """Begin a stage that takes the whole from one fraction to another; always told.

        Raises
        ------
        Cancelled : where the solve is not wanted any more.
        """
        self.asked()
        self._stage, self._low, self._high = stage.value, low, high
        self._tell(self._clock(), low)

    def tick(self, done: float | None = None) -> None:
        """Look up from the work, `done` of the stage (default: as before); told now and then.

        Raises
        ------
        Cancelled : where the solve is not wanted any more.
        """
        self.asked()
        now = self._clock()
        if now - self._last >= _EVERY_S:
            if done is None:
                self._tell(now, self._fraction)
            else:
                self._tell(now, self._low + (self._high - self._low) * min(done, 1.0))

    def tick_by_time(self) -> None:
        """Look up in a stage that may take until the time limit. Raises Cancelled."""
        if not math.isfinite(self._whole_s) or self._whole_s <= 0.0:
            self.tick()
        else:
            self.tick(1.0 - (self._ends - self._clock()) / self._whole_s)

    def part(
        self,
        low: float = 0.0,
        high: float = 1.0,
        *,
        time_limit_s: float = math.inf,
        amend: Amend | None = None,
    ) -> "Progress":
        """Progress of a solve within this one, which it takes from one fraction to another.

        It is over when this one is, or after `time_limit_s` from now. `amend` says what a step of
        it means for the whole: by default its stage, objective and bound are the whole's.
        """

        def pass_on(step: Step) -> None:
            said = step if amend is None else amend(step)
            self._fraction = max(low + (high - low) * step.fraction, self._fraction)
            self._hear(replace(said, fraction=self._fraction))

        return Progress(
            silent if self._hear is silent else pass_on,  # nobody listens to this one either
            time_limit_s=min(time_limit_s, self._ends - self._clock()),
            clock=self._clock,
            stop=self._stop,
        )

    def asked(self) -> Stop | None:
        """Whether to end with the best so far. Raises Cancelled."""
        asked = self._stop()
        if asked is Stop.DROP:
            raise Cancelled
        return asked

    def _tell(self, now: float, fraction: float) -> None:
        self._last, self._fraction = now, max(float(fraction), self._fraction)
        if self._hear is silent:
            return
        self._hear(
            Step(
                stage=self._stage,
                fraction=self._fraction,
                objective=self.objective,
                bound=self.bound,
            )
        )
