"""Ways to part a graph in two with few tensors between the parts: all of them where that can be
done, else those along two orders of its nodes.

A part of the nodes closed under "what it reads" is a place to cut; the tensors made in it (or given
to the network) that are still read outside, or are results, must cross. Where every node leads to a
result, the tensors say which part it is: the nodes that they depend on. So parts are found by their
tensors.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from solvers.onnx_reader.network import MOST_CUTS
from solvers.onnx_reader.sized import Node, Trace

MOST_WORK = 100_000_000  # mask words looked at: a second or two
CHUNK = 1 << 14


@dataclass(frozen=True, eq=False)
class Order:
    """Positions of all nodes, each after those whose results it reads."""

    positions: Sequence[int]

    @cached_property
    def ranks(self) -> Sequence[int]:
        """The place in the order of each position."""
        if isinstance(self.positions, range):
            return self.positions
        ranks = [0] * len(self.positions)
        for rank, position in enumerate(self.positions):
            ranks[position] = rank
        return ranks


@dataclass(frozen=True)
class Prefix:
    """The first `count` nodes of an order."""

    order: Order
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return iter(self.order.positions[: self.count])

    def __contains__(self, position: object) -> bool:
        return isinstance(position, int) and self.order.ranks[position] < self.count


@dataclass(frozen=True)
class Frontier:
    """A place to cut: the positions of the nodes before it, and the tensors that cross."""

    before: frozenset[int] | Prefix
    tensors: tuple[str, ...]


@dataclass(frozen=True)
class Frontiers:
    """Frontiers by growing number of nodes; `searched` is the number of crossing tensors for which
    all were found.
    """

    found: tuple[Frontier, ...]
    searched: int


def frontiers(trace: Trace, max_tensors: int, allowed: Collection[str]) -> Frontiers:
    """Frontiers of up to `max_tensors` of the allowed tensors, strictly between the inputs and the
    end.

    Single tensors are found by one sweep over any topological order: whatever comes after such a
    tensor depends on it. They part the graph into segments, and larger frontiers are looked for
    within each, among all pairs, triples and so on of its tensors. Where that would exceed
    `MOST_WORK` or find more than `MOST_CUTS`, those stay that lie along one of two orders: the
    file's, and that in which each node comes right before what needs it.
    """
    in_file = Order(range(len(trace.nodes)))
    singles = list(_swept(trace, in_file, 1))
    found = [single for single in singles if single.tensors[0] in allowed]
    searched = 1
    segments = _segments(trace, singles, allowed) if max_tensors > 1 else []
    work = MOST_WORK
    for size in range(2, max_tensors + 1):
        larger, whole, work = _among(segments, size, work, MOST_CUTS - len(found))
        found += larger
        if whole and searched == size - 1:
            searched = size
    if searched < max_tensors:
        found += _along(trace, (in_file, Order(_late(trace))), max_tensors, allowed, found)
    return Frontiers(
        tuple(sorted(found, key=lambda frontier: (len(frontier.before), frontier.tensors))),
        searched,
    )


def _among(
    segments: Sequence[_Segment], size: int, work: int, room: int
) -> tuple[list[Frontier], bool, int]:
    """Frontiers of exactly `size` tensors by trying all, in small segments first; whether these are
    all there are, and what is left of the work. None if there is no room for them.
    """
    larger: list[Frontier] = []
    whole = True
    for segment in sorted(segments, key=lambda segment: segment.work(size)):
        if segment.work(size) > work:
            return larger, False, work
        work -= segment.work(size)
        larger += islice(segment.frontiers(size), max(0, room - len(larger)))
        if len(larger) >= room:
            return [], False, work
    return larger, whole, work


def _along(
    trace: Trace,
    orders: Sequence[Order],
    max_tensors: int,
    allowed: Collection[str],
    found: Sequence[Frontier],
) -> list[Frontier]:
    """Further frontiers of up to `max_tensors` tensors along some orders, those of few tensors
    first, as many as there is room for.
    """
    known = {frozenset(frontier.tensors) for frontier in found}
    further: list[Frontier] = []
    for order in orders:
        for frontier in _swept(trace, order, max_tensors):
            crossing = frozenset(frontier.tensors)
            if crossing not in known and crossing.issubset(allowed):
                known.add(crossing)
                further.append(frontier)
    further.sort(key=lambda frontier: len(frontier.tensors))
    return further[: max(0, MOST_CUTS - 2 - len(found))]


def last_reads(trace: Trace) -> dict[str, int]:
    """The position of the last node that reads each tensor; one beyond the end for results."""
    last: dict[str, int] = {}
    for position, node in enumerate(trace.nodes):
        for name in node.inputs:
            last[name] = position
    return {**last, **dict.fromkeys(trace.outputs, len(trace.nodes))}


def _swept(trace: Trace, order: Order, most: int) -> Iterator[Frontier]:
    """Where at most so many tensors cross between the first nodes of an order and the others."""
    unread = Counter(name for node in trace.nodes for name in node.inputs)
    unread.update(trace.outputs)  # as if something beyond the end read them
    live = {name: None for name in trace.shapes if unread[name]}  # in the order of their making
    for count, position in enumerate(order.positions[:-1], start=1):
        node = trace.nodes[position]
        live.update((name, None) for name in node.outputs if unread[name])
        for name in node.inputs:
            unread[name] -= 1
            if not unread[name]:
                del live[name]
        if len(live) <= most:
            yield Frontier(Prefix(order, count), tuple(live))


def _late(trace: Trace) -> list[int]:
    """Nodes each right before the first that needs it: depth first, from the results backwards."""
    maker = {name: place for place, node in enumerate(trace.nodes) for name in node.outputs}
    placed: dict[int, None] = {}
    begun: set[int] = set()
    waiting = [maker[name] for name in reversed(trace.outputs) if name in maker]
    while waiting:
        position = waiting[-1]
        if position in begun:
            waiting.pop()
            placed.setdefault(position)
            continue
        begun.add(position)
        waiting += [
            maker[name]
            for name in reversed(trace.nodes[position].inputs)
            if name in maker and maker[name] not in begun
        ]
    return list(placed)


@dataclass(frozen=True)
class _Segment:
    """The nodes between two single-tensor frontiers, as bit masks over them.

    A tensor's `closure` are the nodes that it depends on, `readers` those that read it; a bit
    beyond the nodes stands for whatever follows the segment. The first tensors are those given to
    it, which depend on none of its nodes.
    """

    start: int
    tensors: tuple[str, ...]
    closure: NDArray[np.uint64]  # (tensors, words)
    readers: NDArray[np.uint64]
    own: NDArray[np.uint64]  # the bit of the node that makes it
    allowed: tuple[int, ...]
    every: int  # the bits of all its nodes

    def work(self, size: int) -> int:
        """Mask words that a search for frontiers of this size looks at."""
        return math.comb(len(self.allowed), size) * self.readers.size

    def frontiers(self, size: int) -> Iterator[Frontier]:
        """Those of exactly `size` tensors."""
        chosen = combinations(self.allowed, size)
        while True:
            rows = np.fromiter(islice(chosen, CHUNK), dtype=(np.intp, size))
            if not len(rows):
                return
            before = np.bitwise_or.reduce(self.closure[rows], axis=1)  # (rows, words)
            live = np.zeros(len(rows), dtype=np.intp)
            hits = np.zeros(len(rows), dtype=np.intp)
            for tensor in range(len(self.tensors)):
                made = (self.own[tensor] & ~before == 0).all(axis=1)
                crosses = made & (self.readers[tensor] & ~before != 0).any(axis=1)
                live += crosses
                hits += crosses & (rows == tensor).any(axis=1)
            for row in np.flatnonzero((live == size) & (hits == size)):
                mask = sum(int(word) << (64 * place) for place, word in enumerate(before[row]))
                if 0 < mask < self.every:
                    inside = {
                        self.start + bit for bit in range(mask.bit_length()) if mask >> bit & 1
                    }
                    names = tuple(self.tensors[tensor] for tensor in rows[row])
                    yield Frontier(frozenset(range(self.start)) | inside, names)


def _segments(
    trace: Trace, singles: Sequence[Frontier], allowed: Collection[str]
) -> list[_Segment]:
    last = last_reads(trace)
    borders = [
        (0, tuple(trace.shapes)),
        *((len(single.before), single.tensors) for single in singles),
    ]
    ends = [len(single.before) for single in singles] + [len(trace.nodes)]
    segments = []
    for (start, given), end in zip(borders, ends, strict=True):
        if end - start > 1:
            segments.append(_segment(trace.nodes[start:end], start, given, last, allowed))
    return segments


def _segment(
    nodes: Sequence[Node],
    start: int,
    given: tuple[str, ...],
    last: dict[str, int],
    allowed: Collection[str],
) -> _Segment:
    after = len(nodes)  # the bit of whatever follows
    words = after // 64 + 1
    names = list(given)
    closure: dict[str, int] = dict.fromkeys(given, 0)
    own: dict[str, int] = dict.fromkeys(given, 0)
    readers: dict[str, int] = dict.fromkeys(given, 0)
    for position, node in enumerate(nodes):
        upstream = 1 << position
        for name in node.inputs:
            upstream |= closure[name]
            readers[name] |= 1 << position
        for name in node.outputs:
            if name in last:
                names.append(name)
                closure[name], own[name], readers[name] = upstream, 1 << position, 0
    for name in names:
        if last[name] >= start + after:
            readers[name] |= 1 << after

    def masks(of: dict[str, int]) -> NDArray[np.uint64]:
        rows = [
            [of[name] >> (64 * place) & (2**64 - 1) for place in range(words)] for name in names
        ]
        return np.array(rows, dtype=np.uint64).reshape(len(names), words)

    return _Segment(
        start,
        tuple(names),
        masks(closure),
        masks(readers),
        masks(own),
        tuple(place for place, name in enumerate(names) if name in allowed),
        (1 << after) - 1,
    )
