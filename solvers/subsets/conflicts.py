"""Smallest sets of users that cannot be served together.

Serving fewer users never needs more, so sets that can be served are closed under taking users out.
"""

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.outcome import Conflict, Proof
from solvers.progress import Progress

# Whether some users (rising numbers) can be served together; None: that is not settled.
Fits = Callable[[Integers], bool | None]

# Cells up to this size are searched for a conflict of the least size, larger ones for one that is
# minimal.
_SEARCHED = 24
_SHRUNK = 64
_BISECTED = 2_000
_TESTS = 2_000


def of_sums(demand: Floats, capacity: float) -> Conflict | None:
    """The smallest set of users whose demands add up to more than there is; None where all fit.

    The largest demands come first until they exceed the capacity, say after k of them. No smaller
    set conflicts: any k - 1 users ask at most what the k - 1 largest demands add up to, and that
    fits. For the same reason the set without any one of its members fits, so that it is minimal
    too. Of equal demands the first users are taken.

    Parameters
    ----------
    demand : (users,) what each needs at least, not negative; infinite where nothing would do.
    capacity : what they share, in the same unit.
    """
    order = np.argsort(-demand, kind="stable")
    sums = np.cumsum(demand[order])
    size = int(np.searchsorted(sums, capacity, side="right")) + 1
    if size > len(order):
        return None
    return Conflict(users=np.sort(order[:size]), proof=Proof.SMALLEST, at_least=size)


def of_tests(demands: Floats, fits: Fits, progress: Progress, *, at_least: int = 2) -> Conflict:
    """A small set of users who cannot be served together, where all of them cannot.

    Begins with the smallest set that one of some proofs rules out, takes out whom the conflict
    survives, and in small cells goes on until no smaller one is left: every set of users that can
    be served leaves out somebody of each conflict, so a conflict has to hit what each largest set
    that can be served leaves out (J. Bailey and P. J. Stuckey, PADL 2005; A. Ignatiev et al.,
    CP 2015).

    Parameters
    ----------
    demands : (proofs, users) parts of some resource, not negative: users whose parts of one row
        add up to more than 1 cannot be served together. The reverse need not hold.
    fits : the test of what can be served.
    progress : ends the search early; what is claimed then is what was settled.
    at_least : known: fewer users never conflict. 2 where each alone can be served.
    """
    return _Search(demands, fits, progress, at_least).run()


class _Search:
    def __init__(self, demands: Floats, fits: Fits, progress: Progress, at_least: int) -> None:
        self.fits, self.progress, self.tests = fits, progress, _TESTS
        self.at_least = at_least
        self.users = demands.shape[1]
        # Those who ask most come last: left out, they make the largest sets that can be served.
        self.order = np.argsort(demands.max(axis=0), kind="stable")
        self.ruled_out = [some.users for row in demands if (some := of_sums(row, 1.0)) is not None]

    def run(self) -> Conflict:
        """The search."""
        known = np.arange(self.users)
        for some in self.ruled_out:
            known = some if len(some) < len(known) else known
        if self.users <= _BISECTED:
            prefix = self._prefix()
            known = prefix if len(prefix) < len(known) else known
        if len(known) > _SHRUNK:
            return Conflict(users=known, proof=Proof.FOUND, at_least=self.at_least)
        known, minimal = self._shrunk(known)
        at_least = self.at_least
        if self.users <= _SEARCHED:
            known, at_least = self._smallest(known)
        if at_least == len(known):
            return Conflict(users=known, proof=Proof.SMALLEST, at_least=at_least)
        proof = Proof.MINIMAL if minimal else Proof.FOUND
        return Conflict(users=known, proof=proof, at_least=at_least)

    def _tested(self, users: Integers) -> bool | None:
        """As `fits`; not settled where the search has tested enough."""
        if len(users) == 0:
            return True
        if self.tests <= 0 or self.progress.over():
            return None
        self.tests -= 1
        return self.fits(np.sort(users))

    def _prefix(self) -> Integers:
        """The fewest of those who ask most that conflict, by halving."""
        falling, low, high = self.order[::-1], self.at_least - 1, self.users
        while high - low > 1:
            middle = (low + high) // 2
            if self._tested(falling[:middle]) is False:
                high = middle
            else:
                low = middle
        return np.sort(falling[:high])

    def _shrunk(self, known: Integers) -> tuple[Integers, bool]:
        """A conflict without whom it does not need; whether everybody left was seen to be
        needed.
        """
        minimal = True
        for user in known.tolist():
            rest = known[known != user]
            fit = self._tested(rest)
            minimal &= fit is not None
            if fit is False:
                known = rest
        return known, minimal

    def _smallest(self, best: Integers) -> tuple[Integers, int]:
        """The smallest conflict, or the best one known with the size that none is below."""
        left_out: list[frozenset[int]] = []
        at_least = self.at_least
        while at_least < len(best):
            candidate = _hitting(left_out, at_least, len(best))
            if candidate is None:
                return best, len(best)
            at_least = max(at_least, len(candidate))
            some = np.array(sorted(candidate), dtype=np.int64)
            fit = True if len(some) < self.at_least else self._tested(some)
            if fit is None:
                return best, at_least
            if not fit:
                return some, at_least
            grown = self._grown(some)
            if grown is None:
                return best, at_least
            left_out.append(frozenset(range(self.users)) - grown)
        return best, at_least

    def _grown(self, some: Integers) -> frozenset[int] | None:
        """A largest set that can be served around some users; None where that is not settled."""
        served = set(some.tolist())
        for user in self.order.tolist():
            if user in served:
                continue
            fit = self._tested(np.array(sorted({*served, user}), dtype=np.int64))
            if fit is None:
                return None
            if fit:
                served.add(user)
        return frozenset(served)


def _hitting(sets: Sequence[frozenset[int]], at_least: int, below: int) -> frozenset[int] | None:
    """A smallest set that has a member of each of some sets; None where it has `below` members or
    more. `at_least` so many are known to be needed.
    """
    for size in count(max(at_least, 1)):
        if size >= below:
            return None
        found = _within(sets, frozenset(), size)
        if found is not None:
            return found
    return None


def _within(
    sets: Sequence[frozenset[int]], chosen: frozenset[int], size: int
) -> frozenset[int] | None:
    """A set of at most `size` that hits all sets, `chosen` among it."""
    open_ = [some for some in sets if not some & chosen]
    if not open_:
        return chosen
    if len(chosen) == size:
        return None
    fewest = min(len(some) for some in open_)
    for user in sorted(next(some for some in open_ if len(some) == fewest)):
        found = _within(open_, chosen | {user}, size)
        if found is not None:
            return found
    return None
