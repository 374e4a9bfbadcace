"""What is read from an ONNX file: the places to cut it, and why it could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from numpy.typing import NDArray

MOST_TENSORS = 8
MOST_CUTS = 10_000
LARGEST = 2**63 - 1
LONGEST_DETAIL = 2000


Number: TypeAlias = "int | float | bool"
Array: TypeAlias = "NDArray[Any]"


def printable(text: str) -> str:
    """The text without control characters, which a file's names may have and a log or a database
    may not.
    """
    return "".join(character if character.isprintable() else "?" for character in text)


class Unreadable(Exception):
    """The file is not a network that can be cut; `detail` says why, and the remedy.

    `option` names the option at fault (a name of `Given` or `Options`), None if it is the file.
    """

    def __init__(self, detail: str, option: str | None = None) -> None:
        self.detail = printable(detail)[:LONGEST_DETAIL]
        super().__init__(self.detail)
        self.option = option


class WorkUnknown(Unreadable):
    """What a node computes depends on the data; cuts before it are known all the same."""


class DoesNotFit(Unreadable):
    """A node cannot run with the dimensions that the inputs have; `tensor` is what it is given,
    where another size (`wanted`) of one `axis` would do.
    """

    def __init__(
        self, detail: str, tensor: str = "", axis: int | None = None, wanted: int | None = None
    ) -> None:
        super().__init__(detail)
        self.tensor, self.axis, self.wanted = tensor, axis, wanted


@dataclass(frozen=True)
class Options:
    """Which cuts to list.

    Attributes
    ----------
    max_tensors : int
        How many tensors may cross a cut, 1 to 8. The inputs always make a cut, however many they
        are.
    fusion_boundaries : bool
        Leave out cuts inside what a runtime computes in one kernel (a convolution with its bias,
        batch norm and activation).
    pareto : bool
        Leave out cuts that another one beats: no more work on the device, and no more bytes.
    input_byte : mapping of str to int
        What sending an input really takes, by its name: an image as JPEG, a sample as uint8.
    """

    max_tensors: int = 1
    fusion_boundaries: bool = False
    pareto: bool = False
    input_byte: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """What is said of a network's inputs (`shapes`, `values`) and of what depends on the data."""

    shapes: Mapping[str, Sequence[int]]
    values: Mapping[str, Sequence[Number]] = field(default_factory=dict)
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """One place to cut: `flop` and `parameter_byte` are those of everything on the device's side.

    `tensors` are the names, in the file's own graph, of what crosses; none at the last cut, which
    keeps the results on the device.
    """

    name: str
    flop: int
    feature_byte: int
    feature_elements: int
    parameter_byte: int
    tensors: tuple[str, ...]


@dataclass(frozen=True)
class Dropped:
    """A cut that was left out on request, and the one that beats it."""

    cut: Cut
    dominated_by: str


@dataclass(frozen=True)
class Network:
    """An ONNX file as a list of cuts, from "nothing on the device" to "everything there".

    Attributes
    ----------
    cuts : tuple of Cut
        `flop` and `parameter_byte` never fall along the list.
    shapes : mapping of str to tuple of int
        The inputs that are used, with every dimension.
    outputs : tuple of str
        The results that depend on an input.
    parameters : int
        Elements of the weights, each tensor once however many nodes share it.
    values : mapping of str to array
        Inputs whose value was fixed: constants from then on, on both sides of a cut.
    shape_values : mapping of str to tuple of int
        Results of the file's Shape and Size nodes. With fixed input dimensions they are constants:
        whoever splits the file puts them in place of those nodes, since the tensors that they
        measure do not cross.
    dropped : tuple of Dropped
        What `Options.pareto` left out.
    complete : bool
        Whether all cuts of up to `Options.max_tensors` tensors were looked at; where there are too
        many ways to cut the graph, only those along two orders of its nodes were; and where the
        work of a node is not known, only those before it.
    notes : tuple of str
        What a reader of the list should know: cuts that are not in it, work that counts as 0.
    """

    cuts: tuple[Cut, ...]
    shapes: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    parameters: int
    values: Mapping[str, Array]
    shape_values: Mapping[str, tuple[int, ...]]
    dropped: tuple[Dropped, ...]
    complete: bool
    notes: tuple[str, ...]
