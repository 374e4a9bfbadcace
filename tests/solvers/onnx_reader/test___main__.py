"""The reader's own process: JSON in and out, and limits that hold."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from onnx import helper

from tests.support.onnx.graphs import a_chain, a_model, light


def ask(file: Path, **fields: Any) -> subprocess.CompletedProcess[str]:
    request = {
        "file": str(file),
        "shapes": [],
        "values": [],
        "sizes": [],
        "input_byte": [],
        "max_tensors": 1,
        "fusion_boundaries": False,
        "pareto": False,
        "memory_byte": 2 * 2**30,
        "cpu_s": 30,
        **fields,
    }
    command = [sys.executable, "-I", "-m", "solvers.onnx_reader"]
    return subprocess.run(
        command, input=json.dumps(request), capture_output=True, text=True, timeout=60
    )


def answer(file: Path, **fields: Any) -> dict[str, Any]:
    done = ask(file, **fields)
    assert (done.returncode, done.stderr) == (0, "")
    read: dict[str, Any] = json.loads(done.stdout)
    return read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


@pytest.mark.slow
def test_a_network_comes_out_as_a_profile_has_it(file: Path) -> None:
    file.write_bytes(light("squeezenet"))
    found = answer(file, shapes=["data_0:1,3,224,224"], input_byte=["data_0:20000"], pareto=True)
    assert found["cuts"][0] == {
        "name": "input",
        "flop": 0,
        "feature_byte": 20_000,
        "feature_elements": 150_528,
        "parameter_byte": 0,
        "tensors": ["data_0"],
    }
    assert found["cuts"][-1]["tensors"] is None
    assert found["shapes"] == {"data_0": [1, 3, 224, 224]}
    assert found["parameters"] == 1_235_496
    assert "r0" in found["dropped"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "told", "option"),
    [
        ({"shapes": ["data"]}, "not of the form", "shapes"),
        ({"shapes": ["nothing:1"]}, "no input 'nothing'", "shapes"),
        ({"input_byte": ["data_0"]}, "not of the form", "input_byte"),
        ({"max_tensors": 9}, "1 to 8", "max_tensors"),
    ],
)
def test_what_is_wrong_is_told(file: Path, fields: dict[str, Any], told: str, option: str) -> None:
    file.write_bytes(light("squeezenet"))
    found = answer(file, **fields)
    assert found["option"] == option
    assert told in found["unreadable"]


@pytest.mark.slow
def test_an_empty_file(file: Path) -> None:
    file.write_bytes(b"")
    assert answer(file) == {"unreadable": "the file is empty", "option": None}


@pytest.mark.slow
def test_names_that_a_profile_cannot_hold_are_left_out(file: Path) -> None:
    model = a_chain()
    long = {"conv": "a\nb", "relu": "r" * 1001, "pool": "p" * 1000}
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = long.get(name, name)
    file.write_bytes(model.SerializeToString())
    found = answer(file)
    assert [cut["tensors"] for cut in found["cuts"]] == [
        ["image"],
        None,
        None,
        ["p" * 1000],
        ["flat"],
        None,
    ]
    assert [cut["name"] for cut in found["cuts"][1:3]] == ["a?b", "r" * 99 + ".." + "r" * 99]
    assert any("2 cuts do not say their tensors" in note for note in found["notes"])


@pytest.mark.slow
def test_memory_has_an_end(file: Path) -> None:
    file.write_bytes(light("squeezenet"))
    assert ask(file, memory_byte=64 * 2**20).returncode != 0


@pytest.mark.slow
def test_time_has_an_end(file: Path) -> None:
    model = a_model("net (float[1] x) => (float[1] y) { y = Relu (x) }")
    model.graph.node.extend(
        helper.make_node("Relu", ["x"], [f"t{number}"]) for number in range(60_000)
    )
    file.write_bytes(model.SerializeToString())
    assert ask(file, cpu_s=1).returncode != 0


@pytest.mark.slow
def test_weights_take_no_memory(file: Path) -> None:
    """A file of 1 GB is read by a process that may have half of that beside it."""
    with file.open(
        "wb"
    ) as written:  # sparse on the disk: the same graph, which protobuf merges, with 1 GB of zeros
        written.write(a_chain().SerializeToString())
        written.write(_large_weight(2**30))
        written.truncate(written.tell() + 2**30)
    found = answer(file, memory_byte=512 * 2**20)
    assert len(found["cuts"]) == 6


def _large_weight(size: int) -> bytes:
    """The head of a graph that has one weight of so many bytes, all but the bytes."""
    name = b"\x08\x00" + b"\x10\x01" + b"\x42\x05large"  # dims: 0, data_type: float, name
    raw = b"\x4a" + _varint(size)
    tensor = b"\x2a" + _varint(len(name) + len(raw) + size)
    return b"\x3a" + _varint(len(tensor) + len(name) + len(raw) + size) + tensor + name + raw


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
