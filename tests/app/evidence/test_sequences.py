"""Reports that come again, late, or never."""

import random

from app.evidence.sequences import MOST_RANGES, Range, counted, missing, with_number


def nothing() -> tuple[int, list[Range]]:
    """No report is counted yet."""
    return 0, []


def test_every_report_counts_once_in_whatever_order() -> None:
    rng = random.Random(0)
    for _ in range(200):
        sent = [n for n in range(1, 60) for _ in range(rng.randint(1, 3))]
        rng.shuffle(sent)
        (upto, later), taken = nothing(), []
        for number in sent:
            if not counted(upto, later, number):
                taken.append(number)
                upto, later = with_number(upto, later, number)
                assert counted(upto, later, number)
        assert sorted(taken) == list(range(1, 60))
        assert (upto, later) == (59, [])


def test_gaps_are_told_until_they_close() -> None:
    upto, later = with_number(*with_number(*with_number(0, [], 1), 4), 6)
    assert (upto, later) == (1, [(4, 4), (6, 6)])
    assert missing(upto, later) == [(2, 3), (5, 5)]
    upto, later = with_number(upto, later, 5)
    assert missing(upto, later) == [(2, 3)]
    upto, later = with_number(*with_number(upto, later, 3), 2)
    assert (upto, later, missing(upto, later)) == (6, [], [])


def test_what_a_device_lost_for_ever_is_given_up_in_the_end() -> None:
    upto, later = nothing()
    for number in range(2, 4 * MOST_RANGES, 2):  # every other report is lost
        upto, later = with_number(upto, later, number)
    assert len(later) <= MOST_RANGES
    assert upto > 0
    assert counted(upto, later, 1)  # given up
