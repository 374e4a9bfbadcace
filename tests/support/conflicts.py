"""Every set of users that cannot be served together, by looking at all of them."""

import itertools
from collections.abc import Callable, Iterable

from solvers.outcome import Conflict, Proof


def smallest_size(users: Iterable[int], fits: Callable[[tuple[int, ...]], bool]) -> int | None:
    """Members of a smallest set that does not fit; None where all fit together."""
    everyone = tuple(users)
    if not everyone or fits(everyone):
        return None
    for size in range(1, len(everyone)):
        if not all(fits(some) for some in itertools.combinations(everyone, size)):
            return size
    return len(everyone)


def assert_is_smallest(
    found: Conflict | None, users: Iterable[int], fits: Callable[[tuple[int, ...]], bool]
) -> int:
    """Hold a conflict against enumeration; how many are in it, 0 where there is none."""
    size = smallest_size(users, fits)
    if size is None:
        assert found is None
        return 0
    assert found is not None
    members = tuple(found.users.tolist())
    assert found.proof is Proof.SMALLEST
    assert len(members) == size == found.at_least
    assert not fits(members)
    assert all(fits(some) for some in itertools.combinations(members, size - 1) if some)
    return size
