"""From frontiers to a list of cuts: what lies before each, what crosses it, which make a list."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from solvers.onnx_reader.frontiers import Frontier, Order, Prefix
from solvers.onnx_reader.network import LARGEST, Cut, Dropped, Unreadable
from solvers.onnx_reader.sized import Node, Trace


class Costs:
    """What lies before each frontier and what crosses it."""

    def __init__(self, traced: Trace, input_byte: Mapping[str, int]) -> None:
        self.traced = traced
        self.byte = {name: size.byte for name, size in traced.sizes.items()} | dict(input_byte)
        self.weights: dict[int, int] = {}  # each with the first node that needs it
        for position, node in enumerate(traced.nodes):
            for weight in node.weights:
                self.weights.setdefault(weight, position)
        self.flop, self.parameter_byte = self._sums(Order(range(len(traced.nodes))))
        self._sums_of: dict[Order, tuple[list[float], list[int]]] = {}
        known = [flop for flop in self.flop if flop < math.inf]
        if max(known[-1], self.parameter_byte[-1]) > LARGEST:
            raise Unreadable(
                "the network has more than 2^63 FLOP or bytes of parameters: are its dimensions"
                " right?"
            )

    def _sums(self, order: Order) -> tuple[list[float], list[int]]:
        """FLOP and bytes of parameters of the first nodes of an order, from none to all; infinite
        FLOP from the first node on whose work is not known.
        """
        flop: list[float] = [0]
        parameter_byte, needed = [0], set[int]()
        for position in order.positions:
            node = self.traced.nodes[position]
            new = node.weights - needed
            needed |= new
            flop.append(flop[-1] + _flop(node))
            parameter_byte.append(
                parameter_byte[-1] + sum(self.traced.weights[weight].byte for weight in new)
            )
        return flop, parameter_byte

    def first(self) -> Cut:
        """Everything is sent."""
        inputs = tuple(self.traced.shapes)
        unsized = [name for name in inputs if name not in self.byte]
        if unsized:
            raise Unreadable(
                f"the bytes of the input {unsized[0]!r} are not known: give its input_byte",
                "input_byte",
            )
        cut = self._cut("input", 0, 0, inputs)
        assert cut is not None
        return cut

    def last(self) -> Cut | None:
        """Nothing is sent; None where the work of all is not known."""
        if self.flop[-1] == math.inf:
            return None
        name = _short(" + ".join(self.traced.outputs))
        return Cut(name, int(self.flop[-1]), 0, 0, self.parameter_byte[-1], ())

    def between(self, found: Iterable[Frontier]) -> list[Cut]:
        """The cuts at some frontiers, those with work that is not known left out."""
        return [cut for frontier in found if (cut := self._one(frontier)) is not None]

    def _one(self, frontier: Frontier) -> Cut | None:
        name = _short(" + ".join(frontier.tensors))
        if isinstance(frontier.before, Prefix):
            order, end = frontier.before.order, frontier.before.count
            if order not in self._sums_of:
                self._sums_of[order] = self._sums(order)
            flop, parameter_byte = self._sums_of[order]
            return self._cut(name, flop[end], parameter_byte[end], frontier.tensors)
        # Its nodes are all those up to a point and some beyond it.
        nodes = self.traced.nodes
        start = next(place for place in range(len(nodes) + 1) if place not in frontier.before)
        beyond = [place for place in frontier.before if place > start]
        new = {
            weight
            for place in beyond
            for weight in nodes[place].weights
            if self.weights[weight] >= start
        }
        return self._cut(
            name,
            self.flop[start] + sum(_flop(nodes[place]) for place in beyond),
            self.parameter_byte[start] + sum(self.traced.weights[weight].byte for weight in new),
            frontier.tensors,
        )

    def _cut(
        self, name: str, flop: float, parameter_byte: int, tensors: tuple[str, ...]
    ) -> Cut | None:
        if flop == math.inf:
            return None
        elements = sum(
            self.traced.sizes[name].elements for name in tensors if name in self.traced.sizes
        )
        byte = sum(self.byte[name] for name in tensors)
        if max(byte, elements) > LARGEST:
            raise Unreadable("more than 2^63 bytes cross a cut: are the input's dimensions right?")
        return Cut(name, int(flop), byte, elements, parameter_byte, tensors)


def _flop(node: Node) -> float:
    return math.inf if node.flop is None else node.flop


def _short(name: str) -> str:
    return name if len(name) <= 200 else name[:99] + ".." + name[-99:]


def told_apart(cuts: Sequence[Cut]) -> list[Cut]:
    """The same cuts; those whose long names are the same when shortened have a digest in them."""
    times = Counter(cut.name for cut in cuts)
    return [cut if times[cut.name] == 1 or not cut.tensors else _digested(cut) for cut in cuts]


def _digested(cut: Cut) -> Cut:
    digest = hashlib.sha256(" + ".join(cut.tensors).encode()).hexdigest()[:16]
    return replace(cut, name=f"{cut.name[:90]}..{digest}..{cut.name[-90:]}")


def monotone(cuts: Sequence[Cut]) -> list[Cut]:
    """A chain of cuts along which neither FLOP nor parameters fall: the one that keeps the most,
    few bytes first.

    The first cut and all of a single tensor are in every chain, so only what lies between those is
    chosen: the longest one, where a cut that no other of its kind beats in bytes counts as much as
    all the others together.
    """
    # Equals stay by their number of nodes.
    ordered = sorted(cuts, key=lambda cut: (cut.flop, cut.parameter_byte))
    least = None
    weight = []
    for cut in ordered:
        efficient = least is None or cut.feature_byte < least
        least = cut.feature_byte if efficient else least
        weight.append(len(cuts) if efficient or len(cut.tensors) == 1 else 1)
    levels = {
        byte: place
        for place, byte in enumerate(sorted({cut.parameter_byte for cut in ordered}), start=1)
    }
    # A Fenwick tree: the heaviest chain that ends at or below a level.
    best = [(0, -1)] * (len(levels) + 1)
    before = []
    for position, cut in enumerate(ordered):
        level = levels[cut.parameter_byte]
        reach, place = (0, -1), level
        while place:
            reach = max(reach, best[place])
            place &= place - 1
        before.append(reach[1])
        place = level
        while place < len(best):
            best[place] = max(best[place], (reach[0] + weight[position], position))
            place += place & -place
    reach, place = (0, -1), len(levels)
    while place:
        reach = max(reach, best[place])
        place &= place - 1
    chain = []
    position = reach[1]
    while position >= 0:
        chain.append(ordered[position])
        position = before[position]
    return chain[::-1]


def undominated(cuts: Sequence[Cut]) -> tuple[list[Cut], tuple[Dropped, ...]]:
    """The first, the last, and what no other cut beats in FLOP on the device and bytes; of equals
    the latest stays.
    """
    beaten_by: dict[int, str] = {}
    least: Cut | None = None
    for place in sorted(
        range(len(cuts)), key=lambda place: (cuts[place].flop, cuts[place].feature_byte, -place)
    ):
        if least is None or cuts[place].feature_byte < least.feature_byte:
            least = cuts[place]
        elif 0 < place < len(cuts) - 1:
            beaten_by[place] = least.name
    kept = [cut for place, cut in enumerate(cuts) if place not in beaten_by]
    return kept, tuple(Dropped(cuts[place], name) for place, name in sorted(beaten_by.items()))
