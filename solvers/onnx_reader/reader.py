"""ONNX bytes in, a network's cuts out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from solvers.onnx_reader.frontiers import Frontier, frontiers
from solvers.onnx_reader.network import (
    LARGEST,
    MOST_CUTS,
    MOST_TENSORS,
    Cut,
    Dropped,
    Network,
    Options,
    Unreadable,
)
from solvers.onnx_reader.trace import Trace, trace
from solvers.onnx_reader.wire import Buffer, strip

# What a runtime computes in the kernel before it, without another pass over memory, and views that
# compute nothing.
_FUSED = frozenset(
    {
        "Add", "BatchNormalization", "Cast", "Celu", "Clip", "DequantizeLinear", "Div", "Elu",
        "Erf", "Exp", "Flatten", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "LogSoftmax",
        "Mish", "Mul", "Neg", "PRelu", "Pow", "QuantizeLinear", "Relu", "Reshape", "Selu",
        "Sigmoid", "Softmax", "Softplus", "Softsign", "Sqrt", "Squeeze", "Sub", "Sum", "Swish",
        "Tanh", "ThresholdedRelu", "Unsqueeze",
    }
)  # fmt: skip


def read(
    content: Buffer,
    shapes: Mapping[str, Sequence[int]] | None = None,
    options: Options | None = None,
) -> Network:
    """Read every place where an ONNX network can be cut between a device and a server.

    Parameters
    ----------
    content : bytes or memory map
        The file. Weights are skipped, wherever they are kept; no other file is opened, nothing of
        the network is run.
    shapes : mapping of str to sequence of int, optional
        Dimensions of inputs by name; required for an input that leaves some open. What one input
        says of a named dimension holds for the others.
    options : Options

    Returns
    -------
    Network
        Its cuts ordered by `flop` and `parameter_byte`: cut 0 sends the inputs, the last one
        nothing. Results made on the device cross at every cut but the last. With several tensors
        crossing, cuts need not contain one another; those that would make `parameter_byte` fall
        along the list are left out, and `notes` says how many.

    Raises
    ------
    Unreadable
        The file is no network that can be cut, or an option does not fit it; says which and what to
        mend.

    Notes
    -----
    FLOP = 2 × MAC of Conv, ConvTranspose, Gemm, MatMul, LSTM, GRU and their quantised variants; all
    else counts 0. Of an If the larger branch counts, a Loop's or Scan's body once for each time it
    runs.
    """
    shapes = {} if shapes is None else shapes
    options = Options() if options is None else options
    _check(options)
    for name, dims in shapes.items():
        if any(not 0 < dim < 2**31 for dim in dims):
            raise Unreadable(
                f"the dimensions of {name!r} must lie between 1 and 2^31 - 1", "shapes"
            )
    try:
        model = onnx.ModelProto.FromString(strip(content))
        traced = trace(model, shapes)
    except DecodeError:
        raise Unreadable("the file is not an ONNX model: its messages cannot be decoded") from None
    except UnicodeDecodeError:
        raise Unreadable("the file is not an ONNX model: a name in it is not UTF-8") from None
    return _network(traced, options)


def _check(options: Options) -> None:
    if not 1 <= options.max_tensors <= MOST_TENSORS:
        raise Unreadable(
            f"from 1 to {MOST_TENSORS} tensors may cross a cut, not {options.max_tensors}",
            "max_tensors",
        )
    for name, byte in options.input_byte.items():
        if not 0 < byte <= LARGEST:
            raise Unreadable(f"the bytes of {name!r} must lie between 1 and 2^63 - 1", "input_byte")


def _network(traced: Trace, options: Options) -> Network:
    notes = list(traced.notes)
    for name in options.input_byte:
        if name not in traced.shapes:
            have = ", ".join(repr(each) for each in traced.shapes)
            raise Unreadable(f"the network uses no input {name!r}; it uses {have}", "input_byte")
    allowed = set(traced.sizes)
    if options.fusion_boundaries:
        allowed &= _boundaries(traced)
    search = frontiers(traced, options.max_tensors, allowed)
    if search.searched < options.max_tensors:
        notes.append(
            f"The list has the cuts of up to {search.searched} tensors: this graph has too many"
            f" ways to cut it through {search.searched + 1}."
        )
    hidden = len({name for node in traced.nodes for name in node.outputs} - traced.sizes.keys())
    if hidden:
        notes.append(
            f"No cut goes through {hidden} of the tensors: their sizes depend on the data, or a"
            " function hides them."
        )
    if traced.uncounted:
        notes.append(f"{', '.join(traced.uncounted)}: the work of these operators counts as 0.")
    costs = _Costs(traced, options.input_byte)
    cuts = [costs.first(), *costs.all(search.found)]
    last = costs.last()
    if not last.flop:
        notes.append("Nothing in the network counts as work.")
    if options.max_tensors > 1:
        chain = _monotone(cuts)
        if len(chain) < len(cuts):
            notes.append(
                f"{len(cuts) - len(chain)} cuts of several tensors are not in the list: they"
                " neither contain their neighbours nor are contained, and parameter_byte would"
                " fall."
            )
        cuts = chain
    cuts.append(last)
    dropped: tuple[Dropped, ...] = ()
    if options.pareto:
        cuts, dropped = _pareto(cuts)
    if len(cuts) > MOST_CUTS:
        raise Unreadable(
            f"{len(cuts)} cuts are more than the {MOST_CUTS} of a profile: ask for fusion"
            " boundaries only"
        )
    return Network(
        cuts=tuple(cuts),
        shapes=traced.shapes,
        outputs=traced.outputs,
        parameters=sum(traced.weights[weight].elements for weight in costs.weights),
        shape_values=traced.shape_values,
        dropped=dropped,
        notes=tuple(notes),
    )


def _boundaries(traced: Trace) -> set[str]:
    """Tensors that a runtime has to write out: those not read by one node alone that is fused to
    what makes them.
    """
    readers: dict[str, list[str]] = {name: ["a result"] for name in traced.outputs}
    for node in traced.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node.operator)
    return {
        name
        for name, by in readers.items()
        if name in traced.shapes or len(by) > 1 or by[0] not in _FUSED
    }


class _Costs:
    """What lies before each frontier and what crosses it."""

    def __init__(self, traced: Trace, input_byte: Mapping[str, int]) -> None:
        self.traced = traced
        self.byte = {name: size.byte for name, size in traced.sizes.items()} | dict(input_byte)
        self.flop = [0]
        self.parameter_byte = [0]
        self.weights: dict[int, int] = {}  # each with the first node that needs it
        for position, node in enumerate(traced.nodes):
            new = [weight for weight in node.weights if weight not in self.weights]
            self.weights.update(dict.fromkeys(new, position))
            self.flop.append(self.flop[-1] + node.flop)
            self.parameter_byte.append(
                self.parameter_byte[-1] + sum(traced.weights[weight].byte for weight in new)
            )
        if max(self.flop[-1], self.parameter_byte[-1]) > LARGEST:
            raise Unreadable(
                "the network has more than 2^63 FLOP or bytes of parameters: are its dimensions"
                " right?"
            )

    def first(self) -> Cut:
        inputs = tuple(self.traced.shapes)
        unsized = [name for name in inputs if name not in self.byte]
        if unsized:
            raise Unreadable(
                f"the bytes of the input {unsized[0]!r} are not known: give its input_byte",
                "input_byte",
            )
        return self._cut("input", 0, 0, inputs)

    def last(self) -> Cut:
        name = _short(" + ".join(self.traced.outputs))
        return Cut(name, self.flop[-1], 0, 0, self.parameter_byte[-1], ())

    def all(self, found: Iterable[Frontier]) -> list[Cut]:
        return [self._one(frontier) for frontier in found]

    def _one(self, frontier: Frontier) -> Cut:
        name = _short(" + ".join(frontier.tensors))
        if isinstance(frontier.before, range):
            end = len(frontier.before)
            return self._cut(name, self.flop[end], self.parameter_byte[end], frontier.tensors)
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
            self.flop[start] + sum(nodes[place].flop for place in beyond),
            self.parameter_byte[start] + sum(self.traced.weights[weight].byte for weight in new),
            frontier.tensors,
        )

    def _cut(self, name: str, flop: int, parameter_byte: int, tensors: tuple[str, ...]) -> Cut:
        elements = sum(
            self.traced.sizes[name].elements for name in tensors if name in self.traced.sizes
        )
        byte = sum(self.byte[name] for name in tensors)
        if max(byte, elements) > LARGEST:
            raise Unreadable("more than 2^63 bytes cross a cut: are the input's dimensions right?")
        return Cut(name, flop, byte, elements, parameter_byte, tensors)


def _short(name: str) -> str:
    return name if len(name) <= 200 else name[:99] + ".." + name[-99:]


def _monotone(cuts: Sequence[Cut]) -> list[Cut]:
    """A chain of cuts along which neither FLOP nor parameters fall: the one that keeps the most,
    few bytes first.

    The first cut and all of a single tensor are in every chain, so only what lies between those is
    chosen: the longest one, where a cut that no other of its kind beats in bytes counts as much as
    all the others together.
    """
    ordered = sorted(
        cuts, key=lambda cut: (cut.flop, cut.parameter_byte)
    )  # equals stay by their number of nodes
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
    best = [(0, -1)] * (
        len(levels) + 1
    )  # a Fenwick tree: the heaviest chain that ends at or below a level
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


def _pareto(cuts: Sequence[Cut]) -> tuple[list[Cut], tuple[Dropped, ...]]:
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


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """`data:1,3,224,224` as a name and dimensions; a name may hold colons itself.

    Raises Unreadable.
    """
    name, _, dims = text.rpartition(":")
    parts = [part.strip() for part in dims.split(",")]
    if not name or not all(
        part.isascii() and part.isdecimal() and len(part) <= 10 for part in parts
    ):
        raise Unreadable(f"the shape {text[:100]!r} is not of the form name:1,3,224,224", "shapes")
    return name, tuple(int(part) for part in parts)


def parse_input_byte(text: str) -> tuple[str, int]:
    """`data:150528` as a name and a number of bytes. Raises Unreadable."""
    name, _, byte = text.rpartition(":")
    if not name or not (byte.isascii() and byte.isdecimal() and len(byte) <= 19):
        raise Unreadable(
            f"the input's bytes {text[:100]!r} are not of the form name:150528", "input_byte"
        )
    return name, int(byte)
