"""ONNX bytes in, a network's cuts out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from solvers.onnx_reader.cuts import Costs, monotone, told_apart, undominated
from solvers.onnx_reader.formats import require_onnx, told_by_fields
from solvers.onnx_reader.frontiers import frontiers
from solvers.onnx_reader.kernels import Kernels
from solvers.onnx_reader.network import (
    LARGEST,
    MOST_CUTS,
    MOST_TENSORS,
    Cut,
    Dropped,
    Given,
    Network,
    Number,
    Options,
    Unreadable,
)
from solvers.onnx_reader.sized import Trace
from solvers.onnx_reader.trace import trace
from solvers.onnx_reader.wire import Buffer, outermost_fields, strip


def read(
    content: Buffer,
    shapes: Mapping[str, Sequence[int]] | None = None,
    options: Options | None = None,
    values: Mapping[str, Sequence[Number]] | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
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
    values : mapping of str to sequence of numbers, optional
        What inputs are, by name: constants then, so that an If is decided.
    sizes : mapping of str to sequence of int, optional
        What depends on the data, as it usually is: open dimensions of a tensor by its name, a
        dimension by the name that the file has for it, rounds of a Loop by its own or a result's.

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
        The file is no network that can be cut, or an option does not fit it; says which, and the
        remedy.

    Notes
    -----
    FLOP = 2 × MAC of convolutions, matrix products (Einsum among them), recurrent layers and
    attention, also in the forms that onnxruntime has of them; all else counts 0. Of an If the
    larger branch counts, a Loop's or Scan's body once for each time it runs.
    """
    shapes = {} if shapes is None else shapes
    options = Options() if options is None else options
    given = Given(shapes, values or {}, sizes or {})
    _check(shapes, options)
    require_onnx(content)
    return _network(_traced(content, given), options)


def _traced(content: Buffer, given: Given) -> Trace:
    """The graph with its sizes. Raises Unreadable."""
    try:
        return trace(_parsed(content), given)
    except UnicodeDecodeError:
        raise Unreadable("the file is not an ONNX model: a name in it is not UTF-8") from None


def _parsed(content: Buffer) -> onnx.ModelProto:
    """The model without its weights. Raises Unreadable."""
    model: onnx.ModelProto | None = None
    refused = Unreadable("the file is not an ONNX model: its messages cannot be decoded")
    try:
        model = onnx.ModelProto.FromString(strip(content))
    except DecodeError:
        pass
    except Unreadable as error:
        refused = error
    if model is not None and model.graph.node:
        return model
    told = told_by_fields(outermost_fields(content))
    if told is not None:
        raise Unreadable(f"the file is not an ONNX model: {told}")
    if model is None:
        raise refused
    return model


def _check(shapes: Mapping[str, Sequence[int]], options: Options) -> None:
    if not 1 <= options.max_tensors <= MOST_TENSORS:
        raise Unreadable(
            f"from 1 to {MOST_TENSORS} tensors may cross a cut, not {options.max_tensors}",
            "max_tensors",
        )
    for name, byte in options.input_byte.items():
        if not 0 < byte <= LARGEST:
            raise Unreadable(f"the bytes of {name!r} must lie between 1 and 2^63 - 1", "input_byte")
    for name, dims in shapes.items():
        if any(not 0 <= dim < 2**31 for dim in dims):
            raise Unreadable(
                f"the dimensions of {name!r} must lie between 0 and 2^31 - 1", "shapes"
            )


def _network(traced: Trace, options: Options) -> Network:
    notes = list(traced.notes)
    for name in options.input_byte:
        if name not in traced.shapes:
            have = ", ".join(repr(each) for each in traced.shapes)
            raise Unreadable(f"the network uses no input {name!r}; it uses {have}", "input_byte")
    kernels = Kernels(traced) if options.fusion_boundaries else None
    allowed = set(traced.sizes) if kernels is None else kernels.boundaries & traced.sizes.keys()
    search = frontiers(traced, options.max_tensors, allowed)
    notes += _left_out(traced, search.searched, options.max_tensors)
    costs = Costs(traced, options.input_byte)
    between = filter(kernels.parts, search.found) if kernels is not None else search.found
    cuts = [costs.first(), *costs.between(between)]
    if options.max_tensors > 1:
        chain = monotone(cuts)
        if len(chain) < len(cuts):
            notes.append(
                f"{len(cuts) - len(chain)} cuts of several tensors are not in the list: they"
                " neither contain their neighbours nor are contained, and parameter_byte would"
                " fall."
            )
        cuts = chain
    cuts = told_apart([*cuts, *_end(traced, costs, cuts, notes)])
    notes += _signed(traced, cuts)
    dropped: tuple[Dropped, ...] = ()
    if options.pareto:
        cuts, dropped = undominated(cuts)
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
        values=traced.values,
        shape_values=traced.shape_values,
        dropped=dropped,
        complete=search.searched == options.max_tensors and traced.stopped is None,
        notes=tuple(notes),
    )


def _end(traced: Trace, costs: Costs, cuts: Sequence[Cut], notes: list[str]) -> list[Cut]:
    """The last cut, none where the work up to there is not known. Raises Unreadable where no other
    cut is known then.
    """
    last = costs.last()
    if last is None:
        why = (
            f"{traced.stopped}: give the size (size=NAME:100, of a tensor, a dimension that the"
            " file names, or the rounds of a Loop)"
        )
        if len(cuts) < 2:
            raise Unreadable(why)
        notes.append(
            f"The list ends at {cuts[-1].name}, and counts nothing after it, on a server neither:"
            f" {why}."
        )
        return []
    if not last.flop:
        notes.append("Nothing in the network counts as work.")
    return [last]


def _left_out(traced: Trace, searched: int, wanted: int) -> Iterator[str]:
    """What the list of cuts does not say of the network."""
    if searched < wanted:
        yield (
            f"The list has all cuts of up to {searched} tensors, and of more those along two orders"
            f" of the graph's nodes: there are too many ways to cut it through {searched + 1}."
        )
    hidden = len({name for node in traced.nodes for name in node.outputs} - traced.sizes.keys())
    if hidden:
        yield (
            f"No cut goes through {hidden} of the tensors: their sizes depend on the data, or a"
            " function hides them."
        )
    if traced.unknown:
        yield (
            f"{', '.join(traced.unknown)}: nobody here knows these operators; their work counts as"
            " 0, and their results are as large as the file says."
        )
    if traced.uncounted:
        yield f"{', '.join(traced.uncounted)}: the work of these operators counts as 0."


def _signed(traced: Trace, cuts: Sequence[Cut]) -> Iterator[str]:
    """Where a runtime that only knows unsigned quantised convolutions leaves them."""
    through = [cut.name for cut in cuts if not traced.signed.isdisjoint(cut.tensors)]
    if through:
        yield (
            f"{len(through)} cuts go through signed int8 ({through[0]}"
            f"{', ..' if len(through) > 1 else ''}): on x86 onnxruntime runs the convolutions next"
            " to such a cut in float, and those of the whole network and next to unsigned cuts"
            " quantised. Quantise activations to uint8 for x86."
        )


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """`data:1,3,224,224` as a name and dimensions, `sr:` for one number; a name may hold colons.

    Raises Unreadable.
    """
    name, _, dims = text.rpartition(":")
    parts = [part.strip() for part in dims.split(",")] if dims else []
    if not name or not all(
        part.isascii() and part.isdecimal() and len(part) <= 10 for part in parts
    ):
        raise Unreadable(f"the shape {text[:100]!r} is not of the form name:1,3,224,224", "shapes")
    return name, tuple(int(part) for part in parts)


def parse_size(text: str) -> tuple[str, tuple[int, ...]]:
    """`boxes:100` as a name and its sizes. Raises Unreadable."""
    try:
        name, sizes = parse_shape(text)
    except Unreadable:
        name, sizes = "", ()
    if not sizes or max(sizes) >= 2**31:
        raise Unreadable(f"the size {text[:100]!r} is not of the form name:100", "sizes")
    return name, sizes


def parse_value(text: str) -> tuple[str, tuple[Number, ...]]:
    """`sr:16000` as a name and what the input is: numbers, or true and false. Raises Unreadable."""
    name, _, given = text.rpartition(":")
    words = {"true": True, "false": False}
    numbers: list[Number] = []
    for part in map(str.strip, given.split(",")):
        try:
            if part.lower() in words:
                numbers.append(words[part.lower()])
            elif part.lstrip("+-").isdecimal() and part.isascii() and len(part) <= 20:
                numbers.append(int(part))
            else:
                numbers.append(float(part))
        except ValueError:
            name = ""
    if not name or not all(map(math.isfinite, numbers)):
        raise Unreadable(f"the value {text[:100]!r} is not of the form name:16000", "values")
    return name, tuple(numbers)


def parse_input_byte(text: str) -> tuple[str, int]:
    """`data:150528` as a name and a number of bytes. Raises Unreadable."""
    name, _, byte = text.rpartition(":")
    if not name or not (byte.isascii() and byte.isdecimal() and len(byte) <= 19):
        raise Unreadable(
            f"the input's bytes {text[:100]!r} are not of the form name:150528", "input_byte"
        )
    return name, int(byte)
