"""Which reports of a user are counted: those up to a number, and ranges beyond it."""

from collections.abc import Sequence

# Ranges kept apart. A report that is still missing when more would be needed is given up, as one
# that a device lost with its memory: it is taken as counted.
MOST_RANGES = 64

Range = tuple[int, int]


def counted(upto: int, later: Sequence[Sequence[int]], number: int) -> bool:
    """Whether a report is counted already."""
    return number <= upto or any(first <= number <= last for first, last in later)


def with_number(upto: int, later: Sequence[Sequence[int]], number: int) -> tuple[int, list[Range]]:
    """The same with a report that was not counted."""
    ranges: list[Range] = sorted(
        [(int(first), int(last)) for first, last in later] + [(number, number)]
    )
    joined: list[Range] = []
    for first, last in ranges:
        if joined and first == joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    if len(joined) > MOST_RANGES or joined[0][0] == upto + 1:
        upto, joined = joined[0][1], joined[1:]
    return upto, joined


def missing(upto: int, later: Sequence[Sequence[int]]) -> list[Range]:
    """The gaps between those that are counted."""
    gaps, after = [], upto
    for first, last in later:
        gaps.append((after + 1, first - 1))
        after = last
    return gaps
