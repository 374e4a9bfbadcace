"""Every way to part a graph in two with few tensors between the parts.

A part of the nodes closed under "what it reads" is a place to cut; the tensors made in it (or given
to the network) that are still read outside, or are results, must cross. Where every node leads to a
result, the tensors say which part it is: the nodes that they depend on. So parts are found by their
tensors.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from solvers.onnx_reader.network import MOST_CUTS
from solvers.onnx_reader.sized import Node, Trace

MOST_WORK = 200_000_000  # mask words looked at: a few seconds
CHUNK = 1 << 14


@dataclass(frozen=True)
class Frontier:
    """A place to cut: the positions of the nodes before it, and the tensors that cross."""

    before: frozenset[int] | range
    tensors: tuple[str, ...]


@dataclass(frozen=True)
class Frontiers:
    """Frontiers by growing number of nodes; `searched` is the number of crossing tensors for which
    all were found.
    """

    found: tuple[Frontier, ...]
    searched: int


def frontiers(trace: Trace, max_tensors: int, allowed: Collection[str]) -> Frontiers:
    """All frontiers of up to `max_tensors` of the allowed tensors, strictly between the inputs and
    the end.

    Single tensors are found by one sweep over any topological order: whatever comes after such a
    tensor depends on it. They part the graph into segments, and larger frontiers are looked for
    within each, among all pairs and then triples of its tensors, until that would exceed
    `MOST_WORK` or find more than `MOST_CUTS`.
    """
    singles = _singles(trace)
    found = [single for single in singles if single.tensors[0] in allowed]
    if max_tensors == 1:
        return Frontiers(tuple(found), 1)
    segments = _segments(trace, singles, allowed)
    searched = 1
    work = 0
    for size in range(2, max_tensors + 1):
        work += sum(segment.work(size) for segment in segments)
        if work > MOST_WORK:
            break
        larger = list(
            islice(
                (frontier for segment in segments for frontier in segment.frontiers(size)),
                MOST_CUTS,
            )
        )
        if len(found) + len(larger) >= MOST_CUTS:
            break
        found += larger
        searched = size
    return Frontiers(
        tuple(sorted(found, key=lambda frontier: (len(frontier.before), frontier.tensors))),
        searched,
    )


def last_reads(trace: Trace) -> dict[str, int]:
    """The position of the last node that reads each tensor; one beyond the end for results."""
    last: dict[str, int] = {}
    for position, node in enumerate(trace.nodes):
        for name in node.inputs:
            last[name] = position
    return {**last, **dict.fromkeys(trace.outputs, len(trace.nodes))}


def _singles(trace: Trace) -> list[Frontier]:
    last = last_reads(trace)
    live = dict.fromkeys(trace.shapes)  # in the order in which they were made
    singles = []
    for position, node in enumerate(trace.nodes[:-1]):
        live.update(dict.fromkeys(name for name in node.outputs if name in last))
        for name in node.inputs:
            if last[name] == position:
                del live[name]
        if len(live) == 1:
            singles.append(Frontier(range(position + 1), tuple(live)))
    return singles


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
