"""How often callers ask: what is allowed, what is left, what is remembered."""

import random

from hypothesis import given
from hypothesis import strategies as st

from app.auth.rates import WINDOW_S, Rates


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1e6

    def __call__(self) -> float:
        return self.now_s


def test_a_quota_may_be_used_at_once_and_comes_back_evenly() -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    shares = [rates.take("a", 0.5) for _ in range(6)]
    assert [share.allowed for share in shares] == [True] * 5 + [False]
    assert [share.left for share in shares] == [4, 3, 2, 1, 0, 0]
    assert [share.wait_s for share in shares] == [2, 4, 6, 8, 2, 2], "until whole, or until one"
    assert rates.take("b", 0.5).left == 4, "another has a quota of its own"
    clock.now_s += 1.9
    assert not rates.take("a", 0.5).allowed
    clock.now_s += 0.1
    assert rates.take("a", 0.5).allowed
    assert not rates.look("a", 0.5).allowed
    clock.now_s += WINDOW_S
    assert rates.look("a", 0.5) == rates.look("never seen", 0.5)


@given(
    per_second=st.floats(0.1, 1000.0),
    pauses=st.lists(st.floats(0.0, 25.0), max_size=60),
)
def test_nobody_gets_more_than_a_rate_and_a_quota_nor_waits_in_vain(
    per_second: float, pauses: list[float]
) -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    begun, taken = clock.now_s, 0
    for pause in pauses:
        clock.now_s += pause
        while (share := rates.take("a", per_second)).allowed and share.left > 2:
            taken += 1
        taken += share.allowed
        assert taken <= share.quota + per_second * (clock.now_s - begun) + 1e-3
        for _ in range(share.left):  # whoever asks no more than it was told is not refused
            assert rates.take("a", per_second).allowed
            taken += 1
        last = rates.look("a", per_second)
        if not last.allowed:
            clock.now_s += last.wait_s
            assert rates.look("a", per_second).allowed


def test_what_matters_is_remembered_and_nothing_else() -> None:
    clock = Clock()
    rates, plain = Rates(clock=clock), Rates(most=10**9, clock=clock)
    chance = random.Random(4)
    for _ in range(20_000):
        clock.now_s += chance.expovariate(30.0)
        who = str(chance.randrange(60))
        plain._since = clock.now_s  # never forgets
        assert rates.take(who, 0.3) == plain.take(who, 0.3)
    few = Rates(most=100, clock=clock)
    for n in range(10_000):
        few.take(str(n), 1.0)
    assert len(few) <= 200
