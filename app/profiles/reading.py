"""ONNX files read in a process of their own, so that a hostile one can take nothing else down."""

import json
import logging
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import FieldError, ImporterBusy, InvalidRequest
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning

# Of the reader's address space, beside the file itself; a network takes a tenth of it.
MEMORY_BYTE = 2 * 2**30
AT_ONCE = 2
SHOWN = 20
PARAMETERS = {
    "shapes": "shape",
    "values": "value",
    "sizes": "size",
    "input_byte": "input_byte",
    "max_tensors": "max_tensors",
}

log = logging.getLogger(__name__)
_slots = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the caller says of a file: the profile's name, and how to read it."""

    name: str
    shapes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    input_byte: tuple[str, ...] = ()
    max_tensors: int = 1
    fusion_boundaries: bool = False
    pareto: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What was read from a file; `complete` says whether all cuts that were asked for are there."""

    model: Model
    warnings: tuple[FieldWarning, ...]
    complete: bool


def read_model(file: Path, sha256: str, wanted: Wanted, time_limit_s: float) -> Found:
    """The profile of a network, and what to know of it. Raises InvalidRequest, ImporterBusy."""
    found = _read_in_turn(_request(file, wanted, time_limit_s), time_limit_s)
    if "unreadable" in found:
        raise InvalidRequest(
            [FieldError("", found["unreadable"], parameter=PARAMETERS.get(found["option"]))]
        )
    model = Model.model_validate(
        {
            "name": wanted.name,
            "cuts": found["cuts"],
            "source_sha256": sha256,
            "provenance": "analytic",
            "reference": _reference(wanted, found["shapes"]),
        }
    )
    warnings = tuple(FieldWarning(field="/cuts", message=note) for note in _notes(found))
    return Found(model, warnings, found["complete"])


def _request(file: Path, wanted: Wanted, time_limit_s: float) -> dict[str, Any]:
    """What the reader is asked."""
    return {
        "file": str(file),
        "shapes": wanted.shapes,
        "values": wanted.values,
        "sizes": wanted.sizes,
        "input_byte": wanted.input_byte,
        "max_tensors": wanted.max_tensors,
        "fusion_boundaries": wanted.fusion_boundaries,
        "pareto": wanted.pareto,
        "memory_byte": MEMORY_BYTE,
        "cpu_s": int(time_limit_s) + 1,
    }


def _read_in_turn(request: dict[str, Any], time_limit_s: float) -> dict[str, Any]:
    """The reader's answer, once fewer than `AT_ONCE` others read. Raises ImporterBusy."""
    if not _slots.acquire(timeout=time_limit_s):
        raise ImporterBusy("Other models are being imported; nothing was stored.", retry_after_s=5)
    try:
        return _ask(request, time_limit_s)
    finally:
        _slots.release()


def _reference(wanted: Wanted, input_shapes: dict[str, list[int]]) -> str:
    """Where the profile's numbers come from, and with which options."""
    shapes = "; ".join(
        f"{name}:{','.join(map(str, shape))}" for name, shape in input_shapes.items()
    )
    options = [
        (
            f"through up to {wanted.max_tensors} tensors"
            if wanted.max_tensors > 1
            else "through single tensors"
        ),
        *(["at fusion boundaries"] * wanted.fusion_boundaries),
        *(["without dominated ones"] * wanted.pareto),
    ]
    return _one_line(
        f"Counted in the graph of an ONNX file: cuts {', '.join(options)}; inputs {shapes}"
        + "".join(f"; {value} fixed" for value in wanted.values)
        + "".join(f"; {size} assumed" for size in wanted.sizes)
    )


def _notes(found: dict[str, Any]) -> list[str]:
    """The reader's notes, and which cuts it left out."""
    notes = list(found["notes"])
    if found["dropped"]:
        more = f" and {len(found['dropped']) - SHOWN} more" if len(found["dropped"]) > SHOWN else ""
        notes.append(
            "Left out, since another cut has no more FLOP and bytes:"
            f" {', '.join(found['dropped'][:SHOWN])}{more}"
        )
    return notes


def _one_line(text: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= 4000 else shown[:3998] + ".."


def _ask(request: dict[str, Any], time_limit_s: float) -> dict[str, Any]:
    try:
        reader = subprocess.run(
            [sys.executable, "-I", "-m", "solvers.onnx_reader"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=time_limit_s,
            env={"OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired:
        raise InvalidRequest(
            [
                FieldError(
                    "",
                    f"reading the file takes more than {time_limit_s:g} s: its graph is too large",
                )
            ]
        ) from None
    if reader.returncode:
        log.error("the ONNX reader ended with %s: %s", reader.returncode, reader.stderr[-4000:])
        raise InvalidRequest(
            [FieldError("", "the file breaks the ONNX reader: is it a valid model?")]
        )
    answer: dict[str, Any] = json.loads(reader.stdout)
    return answer
