"""One progress for all families: told now and then, over in time, stopped when asked."""

import math
from dataclasses import replace

import pytest

from solvers.progress import Cancelled, Progress, Stage, Step, Stop, as_baseline


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heard() -> list[Step]:
    return []


def test_a_stage_is_always_told_and_ticks_are_told_now_and_then(
    clock: Clock, heard: list[Step]
) -> None:
    progress = Progress(heard.append, clock=clock)
    progress.stage(Stage.PRICE, 0.2, 0.6)
    progress.bound = 3.0
    progress.tick(0.5)
    assert [step.fraction for step in heard] == [0.2]
    assert not progress.due()
    clock.now += 0.2
    assert progress.due()
    progress.objective = 4.0
    progress.tick(0.5)
    progress.tick(1.0)
    assert heard[1:] == [Step(stage="price", fraction=0.4, objective=4.0, bound=3.0)]
    assert heard[1].gap == pytest.approx(0.25)


def test_fractions_never_fall_and_end_with_their_stage(clock: Clock, heard: list[Step]) -> None:
    progress = Progress(heard.append, clock=clock)
    for stage, low, high, done in (
        (Stage.PRICES, 0.1, 0.3, 7.0),
        (Stage.WALKS, 0.3, 0.5, 0.1),
        (Stage.PRICES, 0.1, 0.3, None),
    ):
        progress.stage(stage, low, high)
        clock.now += 1.0
        progress.tick(done)
    assert [round(step.fraction, 9) for step in heard] == [0.1, 0.3, 0.3, 0.32, 0.32, 0.32]


def test_it_is_over_when_its_time_has_come(clock: Clock) -> None:
    progress = Progress(time_limit_s=2.0, clock=clock)
    assert not progress.over()
    assert progress.left_s() == 2.0
    clock.now += 2.0
    assert progress.over()
    assert progress.left_s() == 0.0
    assert Progress(time_limit_s=0.0, clock=clock).over()
    assert not Progress(time_limit_s=math.inf, clock=clock).over()


def test_a_stage_without_an_end_goes_on_with_the_time(clock: Clock, heard: list[Step]) -> None:
    progress = Progress(heard.append, time_limit_s=10.0, clock=clock)
    progress.stage(Stage.BRANCH, 0.5, 1.0)
    clock.now += 4.0
    progress.tick_by_time()
    assert heard[-1].fraction == pytest.approx(0.7)
    for limit_s in (0.0, math.inf):
        endless = Progress(heard.append, time_limit_s=limit_s, clock=clock)
        endless.stage(Stage.BRANCH, 0.5, 1.0)
        clock.now += 4.0
        endless.tick_by_time()
        assert heard[-1].fraction == 0.5


def test_the_best_so_far_is_kept_as_if_the_time_were_over(clock: Clock) -> None:
    asked: list[Stop] = []
    progress = Progress(clock=clock, stop=lambda: asked[0] if asked else None)
    part = progress.part(0.0, 0.5).part(0.0, 1.0)
    assert not part.over()
    asked.append(Stop.KEEP_BEST)
    for some in (progress, part):
        some.stage(Stage.PRICE)
        some.tick()
        assert some.over()
        assert some.left_s() == 0.0


@pytest.mark.parametrize("look", ["over", "left_s", "tick", "tick_by_time", "stage"])
def test_what_is_dropped_ends_wherever_it_looks_up(look: str, clock: Clock) -> None:
    stop: list[Stop | None] = [None]
    progress = Progress(clock=clock, stop=lambda: stop[0])
    for some in (progress, progress.part()):
        stop[0] = None
        getattr(some, look)(*([Stage.PRICE] if look == "stage" else []))
        stop[0] = Stop.DROP
        with pytest.raises(Cancelled):
            getattr(some, look)(*([Stage.PRICE] if look == "stage" else []))


def test_a_part_is_told_as_part_of_the_whole(clock: Clock, heard: list[Step]) -> None:
    progress = Progress(heard.append, clock=clock)
    for k in range(2):
        part = progress.part(0.5 * k, 0.5 * (k + 1))
        part.objective = 1.0 + k
        part.stage(Stage.PRICE, 0.0, 0.5)
        clock.now += 1.0
        part.tick(1.0)
    assert [step.fraction for step in heard] == [0.0, 0.25, 0.5, 0.75]
    assert [step.objective for step in heard] == [1.0, 1.0, 2.0, 2.0]


def test_what_a_part_means_for_the_whole_can_be_said(clock: Clock, heard: list[Step]) -> None:
    progress = Progress(heard.append, clock=clock)
    inner = progress.part(0.5, 1.0, amend=lambda step: replace(step, objective=7.0))
    rule = inner.part(0.5, 1.0, amend=as_baseline)
    rule.bound = 1.0
    rule.stage(Stage.PRICE, 0.5)
    assert heard == [Step(stage="baselines", fraction=0.875, objective=7.0)]


def test_a_part_has_no_more_time_than_the_whole(clock: Clock) -> None:
    progress = Progress(time_limit_s=10.0, clock=clock)
    clock.now += 4.0
    assert progress.part().left_s() == 6.0
    assert progress.part(time_limit_s=100.0).left_s() == 6.0
    short = progress.part(time_limit_s=1.0)
    clock.now += 1.0
    assert short.over()
    assert not progress.over()


def test_whom_nobody_hears_is_stopped_all_the_same() -> None:
    whole = Progress(stop=lambda: Stop.DROP)
    asked = list[Step]()

    def amend(step: Step, /) -> Step:
        asked.append(step)
        return step

    with pytest.raises(Cancelled):
        whole.part(amend=amend).stage(Stage.TABLE)
    quiet = Progress()
    quiet.part(0.0, 0.5, amend=amend).stage(Stage.TABLE, 0.5)
    assert asked == [], "nothing is made of steps that nobody hears"
