"""Measured shapes: how the time of a network was spread over its cuts, on boards that somebody
timed block by block, and the law that each of these machines' blocks follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import median
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Shape:
    """One network on one board, timed in blocks.

    Attributes
    ----------
    model : str
        Name of the catalogue's network.
    board : str
        What it ran on; the name of a catalogue's device where that is the same thing.
    processor : str
        "cpu": times of blocks on a GPU that nobody waited for are not kept.
    runtime : str
    precision : str
        "float32" or "int8".
    threads : int or None
        None where the source does not say.
    share : tuple of float
        Part of the whole network's time before each cut, from 0 to 1, never falling.
    whole_s : float
        Time of the whole network: the sum of its blocks [s].
    blocks : int
        How many pieces were timed; a cut within one has the share of its beginning.
    source, reference : str
        Repository at a commit; and what is known of these times.
    """

    model: str
    board: str
    processor: str
    runtime: str
    precision: str
    threads: int | None
    share: tuple[float, ...]
    whole_s: float
    blocks: int
    source: str
    reference: str


@dataclass(frozen=True, slots=True)
class TimeLaw:
    """Time of a block on one machine, fitted over all networks timed there.

    `worst_share_error` is the largest error of a share of time, in parts of the whole, where the
    law was fitted on the machine's other networks; its median is over networks.
    """

    machine: str
    networks: int
    s_per_flop: float
    s_per_feature_byte: float
    s_per_parameter_byte: float
    s_per_layer: float
    median_share_error: float
    worst_share_error: float
    reference: str

    def block_s(
        self, *, flop: float, feature_byte: float, parameter_byte: float, layers: int
    ) -> float:
        """Time of a block [s]; `feature_byte` is what goes in and what comes out together."""
        return (
            self.s_per_flop * flop
            + self.s_per_feature_byte * feature_byte
            + self.s_per_parameter_byte * parameter_byte
            + self.s_per_layer * layers
        )


def measured_shapes(model: str) -> tuple[Shape, ...]:
    """The shapes of a network of the catalogue; none where nobody timed its blocks."""
    return _shapes().get(model, ())


def shaped_models() -> tuple[str, ...]:
    """The networks that have measured shapes."""
    return tuple(_shapes())


@cache
def time_laws() -> tuple[TimeLaw, ...]:
    """The laws of all machines."""
    return tuple(TimeLaw(**entry) for entry in _shipped()["time_laws"])


def errors_by_flop(shape: Shape, flop: Sequence[int]) -> tuple[float, float]:
    """How far sharing time out by FLOP is from a shape: median over the cuts but for the first and
    the last, and largest, in parts of the whole time. `flop` is cumulative, one a cut.
    """
    errors = [abs(share - work / flop[-1]) for share, work in zip(shape.share, flop, strict=True)][
        1:-1
    ]
    return median(errors), max(errors)


@cache
def _shapes() -> dict[str, tuple[Shape, ...]]:
    shipped = _shipped()
    found: dict[str, list[Shape]] = {}
    for entry in shipped["shapes"]:
        reference = shipped["references"][entry["reference"]]
        shape = Shape(**entry | {"share": tuple(entry["share"]), "reference": reference})
        found.setdefault(shape.model, []).append(shape)
    return {model: tuple(shapes) for model, shapes in found.items()}


def _shipped() -> dict[str, Any]:
    read: dict[str, Any] = orjson.loads(files("app.catalogue").joinpath("shapes.json").read_bytes())
    return read
