"""Files of other formats are told by name, with a remedy."""

import gzip
import io
import zipfile

import pytest
from onnx import ModelProto

from solvers.onnx_reader import Unreadable, read
from tests.support.onnx.graphs import a_chain


def a_zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), bytes(100))
    return file.getvalue()


def a_field(number: int, content: bytes | int) -> bytes:
    head = number << 3 | (0 if isinstance(content, int) else 2)
    tag = bytes([head]) if head < 0x80 else bytes([head & 0x7F | 0x80, head >> 7])
    if isinstance(content, int):
        return tag + bytes([content])
    return tag + bytes([len(content)]) + content


HEADER = b'{"weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "git lfs pull"),
        (gzip.compress(a_chain().SerializeToString(), mtime=0), "gzip; unpack it first"),
        (b"\x1c\0\0\0TFL3" + bytes(64), "TensorFlow Lite"),
        (b"\x20\0\0\0ORTM" + bytes(64), "ORT format"),
        (a_zip("net/constants.pkl", "net/data.pkl"), "TorchScript"),
        (a_zip("net/data.pkl"), "weights of PyTorch"),
        (a_zip("config.json", "model.weights.h5"), "Keras"),
        (a_zip("Manifest.json", "Data/com.apple.CoreML/model.mlmodel"), "Core ML"),
        (a_zip("resnet.onnx"), "zip archive with an ONNX file"),
        (a_zip("readme.txt"), "a zip archive"),
        (len(HEADER).to_bytes(8, "little") + HEADER + bytes(4), "safetensors"),
        (a_field(1, 4) + a_field(2, b"in") + a_field(500, b"layers"), "Core ML"),
        (a_field(1, a_field(1, b"name") + a_field(2, b"Conv2D")) + a_field(4, b""), "GraphDef"),
        (a_field(1, 1) + a_field(2, a_field(1, b"meta")), "SavedModel"),
        (a_field(1, b"net") + a_field(100, b"layer"), "Caffe"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"<!DOCTYPE html>", "a web page"),
    ],
)
def test_another_format_is_told(content: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=f"not an ONNX model.*{told}"):
        read(content)


def test_a_network_by_a_producer_of_such_a_name_is_read() -> None:
    """The producer's name stands where flatbuffers say what they are."""
    model: ModelProto = a_chain()
    model.producer_name = "ORTModule"
    content = model.SerializeToString()
    assert content[4:8] == b"ORTM"
    assert len(read(content).cuts) == 6
