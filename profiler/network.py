"""A network as a file, the places where it can be cut, and something to feed it with."""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.external_data_helper
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, helper

from profiler.runtime import Runner, Tensors, most_ir, noise
from profiler.split import Graph, Halves, bound
from solvers.onnx_reader import Cut, Number, Options, read

_MOST_SMALL = 1024  # elements of a constant that says a shape
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class WeightsMissing(ValueError):
    """A file without its weights, which can be counted but not run."""


class WrongProfile(ValueError):
    """A model profile that does not belong to the file."""


@dataclass(frozen=True)
class Network:
    """A network that can be split at each of its cuts.

    Attributes
    ----------
    name : of its model profile
    sha256 : digest of the file, `source_sha256` of its profile
    cuts : those of the profile, in its order
    feeds : one input, by name
    """

    name: str
    sha256: str
    graph: Graph
    cuts: tuple[Cut, ...]
    feeds: Tensors

    def halves(self, cut: int) -> Halves:
        """Both sides of a cut."""
        return self.graph.halves(self.cuts[cut].tensors)

    def profile(self) -> dict[str, Any]:
        """The network as a model profile: counted, not measured."""
        return {
            "name": self.name,
            "cuts": [asdict(cut) | {"tensors": list(cut.tensors)} for cut in self.cuts],
            "source_sha256": self.sha256,
            "provenance": "analytic",
        }


def open_network(
    path: Path,
    name: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    options: Options | None = None,
    profile: Mapping[str, Any] | None = None,
    feeds: Tensors | None = None,
    seed: int = 0,
    folder: Path | None = None,
    values: Mapping[str, Sequence[Number]] | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
) -> Network:
    """Read a file, weights and all, with the cuts of a profile or those that the service would
    list.

    Without `feeds` its inputs are noise; those with `values` are constants of both halves.
    In `folder` its halves share one file of weights, for as
    long as they run. Raises Unreadable, WrongProfile, OSError; ValueError for inputs that do not
    fit.
    """
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    found = read(_with_small_constants(content, path), shapes, options, values, sizes)
    cuts = found.cuts
    if profile is not None:
        cuts = _cuts(profile, sha256)
        name = name or profile["name"]
    model = bound(onnx.load_from_string(content), found.shapes, found.values)
    _complete(model, path)
    graph = Graph(model, found.shape_values, folder, most_ir())
    elements = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    types = {
        each: (helper.tensor_dtype_to_np_dtype(elements[each]).name, shape)
        for each, shape in found.shapes.items()
    }
    network = Network(
        name=_checked(name) if name else _slug(path.stem),
        sha256=sha256,
        graph=graph,
        cuts=cuts,
        feeds=noise(types, seed) if feeds is None else _checked_feeds(feeds, types),
    )
    _learn(network)
    return network


def _with_small_constants(content: bytes, path: Path) -> bytes:
    """The file with those of its constants in it that may say a shape and lie in another file.

    Raises WeightsMissing.
    """
    try:
        model = onnx.load_from_string(content)
    except DecodeError:
        return content  # what the reader says of it is better
    small = [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_location == TensorProto.EXTERNAL and math.prod(tensor.dims) <= _MOST_SMALL
    ]
    if not small:
        return content
    for tensor in small:
        with _beside(path):
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
        tensor.ClearField("data_location")
        tensor.ClearField("external_data")
    return bytes(model.SerializeToString())


def with_input(network: Network, feeds: Tensors) -> Network:
    """The same network with another input."""
    return replace(network, feeds=feeds)


def load_feeds(path: Path) -> Tensors:
    """Inputs by name from an .npz."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Says which file lacks what it keeps in another. Raises WeightsMissing."""
    try:
        yield
    except (OSError, ValueError, onnx.checker.ValidationError) as missing:
        raise WeightsMissing(
            f"the weights that {path.name} keeps in another file cannot be read:"
            f" {str(missing).splitlines()[0]}"
        ) from None


def _complete(model: onnx.ModelProto, path: Path) -> None:
    """Load the weights that lie beside a file. Raises WeightsMissing."""
    with _beside(path):
        onnx.load_external_data_for_model(model, str(path.parent))
    empty = [
        tensor.name
        for tensor in model.graph.initializer
        if all(tensor.dims)
        and not any(
            len(value) for field, value in tensor.ListFields() if field.name.endswith("_data")
        )
    ]
    if empty:
        raise WeightsMissing(
            f"{path.name} has no values for {len(empty)} of its weights ({empty[0]!r}): they were"
            " stripped; measure the whole file"
        )


def _has_values(tensor: onnx.TensorProto) -> bool:
    return any(field.name.endswith("_data") for field, _ in tensor.ListFields())


def _learn(network: Network) -> None:
    """Where onnx cannot tell what crosses, a run can."""
    unknown = network.graph.untyped(name for cut in network.cuts for name in cut.tensors)
    if unknown:
        values = Runner(network.graph.exposing(unknown), threads=1)(network.feeds)
        for name in unknown:
            value = values[name]
            if isinstance(value, np.ndarray):
                element, shape = helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            else:  # the runtime's own
                element, shape = value.element_type(), value.shape()
            network.graph.learn(name, element, shape)


def _cuts(profile: Mapping[str, Any], sha256: str) -> tuple[Cut, ...]:
    said = profile.get("source_sha256")
    if said is not None and said != sha256:
        raise WrongProfile(
            f"the profile {profile['name']!r} was read from another file: {said}, not {sha256}"
        )
    last = len(profile["cuts"]) - 1
    untold = [n for n, cut in enumerate(profile["cuts"]) if not cut.get("tensors") and n < last]
    if untold:
        raise WrongProfile(
            f"cut {untold[0]} of the profile {profile['name']!r} does not say which tensors cross"
        )
    return tuple(
        Cut(
            name=cut["name"],
            flop=int(cut["flop"]),
            feature_byte=int(cut["feature_byte"]),
            feature_elements=int(cut.get("feature_elements") or 0),
            parameter_byte=int(cut["parameter_byte"]),
            tensors=tuple(cut.get("tensors") or ()),
        )
        for cut in profile["cuts"]
    )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name of a profile: small letters, digits, '.', '_' and '-', at most 63"
        )
    return name


def _slug(stem: str) -> str:
    return _checked(re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("._-")[:63])


def _checked_feeds(feeds: Tensors, types: Mapping[str, tuple[str, tuple[int, ...]]]) -> Tensors:
    missing: Iterable[str] = [name for name in types if name not in feeds]
    if missing:
        raise ValueError(
            f"the inputs {', '.join(missing)} are not among those given: {', '.join(feeds)}"
        )
    for name, (dtype, shape) in types.items():
        if feeds[name].shape != shape:
            raise ValueError(f"the input {name!r} has the shape {feeds[name].shape}, not {shape}")
        if feeds[name].dtype.name != dtype:
            raise ValueError(f"the input {name!r} is {feeds[name].dtype.name}, not {dtype}")
    return {name: feeds[name] for name in types}
