"""The reader as a process of its own: `python -m solvers.onnx_reader`, one JSON object in, one out.

Untrusted files are parsed in C++ here, so the process limits itself before it loads the parsers: a
file that makes it crash, hang or swell takes this process down and no other.

In: `{file, shapes, values, sizes, input_byte, max_tensors, fusion_boundaries, pareto, memory_byte,
cpu_s}`, what is said of the network as texts (`data:1,3,224,224`). Out: `{cuts, shapes, parameters,
complete, dropped, notes}` or `{unreadable, option}`.
"""

from __future__ import annotations

import json
import mmap
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from solvers.onnx_reader import Network

LONGEST_NAME = 1000  # of a tensor in a profile


def main() -> None:
    request = json.load(sys.stdin)
    file = Path(request["file"])
    limit(file.stat().st_size + request["memory_byte"], request["cpu_s"])
    json.dump(answer(file, request), sys.stdout)


def limit(memory_byte: int, cpu_s: int) -> None:
    """Let this process have no more than that, write no file and leave no core dump."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_byte),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def answer(file: Path, request: dict[str, Any]) -> dict[str, Any]:
    """The network as a profile has it, or why there is none."""
    # Loaded only now: its libraries run under the limits too.
    from solvers.onnx_reader import (
        Options,
        Unreadable,
        parse_input_byte,
        parse_shape,
        parse_size,
        parse_value,
        read,
    )

    try:
        options = Options(
            max_tensors=request["max_tensors"],
            fusion_boundaries=request["fusion_boundaries"],
            pareto=request["pareto"],
            input_byte=dict(parse_input_byte(text) for text in request["input_byte"]),
        )
        shapes = dict(parse_shape(text) for text in request["shapes"])
        sizes = dict(parse_size(text) for text in request["sizes"])
        values = dict(parse_value(text) for text in request["values"])
        with file.open("rb") as opened:
            if not file.stat().st_size:
                raise Unreadable("the file is empty")
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                network = read(content, shapes, options, values, sizes)
    except Unreadable as error:
        return {"unreadable": error.detail, "option": error.option}
    except RecursionError:
        return {"unreadable": "graphs are nested too deeply", "option": None}
    except MemoryError:
        return {
            "unreadable": "reading the file takes more memory than a network may",
            "option": None,
        }
    return _told(network)


def _told(network: Network) -> dict[str, Any]:
    """A network in JSON."""
    from solvers.onnx_reader.network import LONGEST_DETAIL, printable

    notes = list(network.notes)
    unnamed = [cut for cut in network.cuts if not all(map(_storable, cut.tensors))]
    if unnamed:
        notes.append(
            f"{len(unnamed)} cuts do not say their tensors: their names have more than"
            f" {LONGEST_NAME} characters, or control characters among them."
        )
    return {
        "cuts": [
            {
                "name": printable(cut.name),
                "flop": cut.flop,
                "feature_byte": cut.feature_byte,
                "feature_elements": cut.feature_elements,
                "parameter_byte": cut.parameter_byte,
                "tensors": (
                    list(cut.tensors) if cut.tensors and all(map(_storable, cut.tensors)) else None
                ),
            }
            for cut in network.cuts
        ],
        "shapes": {name: list(shape) for name, shape in network.shapes.items()},
        "parameters": network.parameters,
        "complete": network.complete,
        "dropped": [printable(dropped.cut.name) for dropped in network.dropped],
        "notes": [printable(note)[:LONGEST_DETAIL] for note in notes],
    }


def _storable(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and name.isprintable()


if __name__ == "__main__":
    main()
