"""Files that are no ONNX, told by what they begin with and what to do with them."""

from __future__ import annotations

from collections.abc import Sequence

from solvers.onnx_reader.network import Unreadable
from solvers.onnx_reader.wire import Buffer

_HEAD_BYTE = 4096
_DIRECTORY_BYTE = 65_536  # of a zip, at its end

_NUMBER, _MESSAGE = 0, 2  # wire types
# The kinds of network that a Core ML model may be, each a field of its own.
_CORE_ML = frozenset(
    {200, 201, 202, 300, 301, 302, 303, 400, 401, 402, 403, 404, 500, 501, 502, 555, 556, 600, 601,
     602, 603, 604, 606, 607, 609, 610, 900, 2000, 2001, 2002, 2003, 2004, 2005, 2006, 3000}
)  # fmt: skip

_EXPORT = "export the network to ONNX"
_UNPACK = "unpack it first, and send what is inside"
_SOURCE = "send the .onnx file that it was made from"
_PAGE = "download the file itself, not the page about it"
_GIT = "fetch it with `git lfs pull`, and send that"
_TORCH = "export the network with torch.onnx.export"
_TEXT = "write it in binary form (onnx.save of onnx.load with format='textproto')"
# What stands at a place of the file: the format, and the remedy.
_BEGINNINGS: Sequence[tuple[int, bytes, str, str]] = (
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself", _GIT),
    (0, b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (0, b"BZh", "compressed with bzip2", _UNPACK),
    (0, b"\xfd7zXZ\0", "compressed with xz", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed with Zstandard", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    # At the fourth byte of a flatbuffer, after a short way to its root.
    (2, b"\0\0TFL3", "a network of TensorFlow Lite (LiteRT)", "convert it with tf2onnx --tflite"),
    (2, b"\0\0ORTM", "a network in onnxruntime's own ORT format", _SOURCE),
    (0, b"\x89HDF\r\n\x1a\n", "a network of Keras in HDF5", "convert it with tf2onnx --keras"),
    (0, b"GGUF", "in GGUF, the format of llama.cpp", _EXPORT),
    (0, b"ftrt", "an engine of TensorRT", _SOURCE),
    (0, b"ptrt", "an engine of TensorRT", _SOURCE),
    (0, b"RKNN", "a network of Rockchip's RKNN", _SOURCE),
    (0, b"7767517", "a network of ncnn", _EXPORT),
    (0, b"\x80\x02", "a pickle of Python, as older PyTorch saved it", _TORCH),
    (0, b"<?xml", "XML, as OpenVINO's description of a network", _EXPORT),
    (0, b"<net", "OpenVINO's description of a network", _EXPORT),
    (0, b"<!DOCTYPE", "a web page", _PAGE),
    (0, b"<html", "a web page", _PAGE),
    (0, b"ir_version:", "ONNX as text", _TEXT),
    (0, b"\x89PNG", "a picture", "send the network"),
    (0, b"\xff\xd8\xff", "a picture", "send the network"),
)
# What the directory of a zip names.
_INSIDE: Sequence[tuple[bytes, str, str]] = (
    (b"constants.pkl", "a network of TorchScript", _TORCH),
    (b"data.pkl", "weights of PyTorch", _TORCH),
    (b"model.weights.h5", "a network of Keras", "convert it with tf2onnx --keras"),
    (b"com.apple.CoreML", "a package of Core ML", _EXPORT),
    (b".onnx", "a zip archive with an ONNX file in it", _UNPACK),
)


def require_onnx(content: Buffer) -> None:
    """Raise Unreadable, saying what the file is, if it plainly is of another format."""
    head = bytes(content[:_HEAD_BYTE])
    told = _told(head, content)
    if told is not None:
        raise Unreadable(f"the file is not an ONNX model: it is {told[0]}; {told[1]}")


def _told(head: bytes, content: Buffer) -> tuple[str, str] | None:
    for place, mark, format_, remedy in _BEGINNINGS:
        if head[place : place + len(mark)] == mark:
            return format_, remedy
    if head.startswith(b"PK\x03\x04"):
        directory = bytes(content[-_DIRECTORY_BYTE:])
        for mark, format_, remedy in _INSIDE:
            if mark in head or mark in directory:
                return format_, remedy
        return "a zip archive", _UNPACK
    if _is_safetensors(head, len(content)):
        return "weights in safetensors, without the network", _EXPORT
    return None


def _is_safetensors(head: bytes, length: int) -> bool:
    size = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= size <= length - 8


def told_by_fields(fields: frozenset[tuple[int, int]]) -> str | None:
    """What else a message may be that is no ONNX, by the numbers and wire types of its outermost
    fields.
    """
    numbers = {field for field, _ in fields}
    if numbers & _CORE_ML:
        return "it is a network of Core ML; export it to ONNX"
    if 100 in numbers:
        return "it is a network of Caffe; export it to ONNX"
    if (1, _MESSAGE) in fields and numbers <= {1, 2, 3, 4}:
        return "it is a graph of TensorFlow (GraphDef); convert it with tf2onnx"
    if fields == {(1, _NUMBER), (2, _MESSAGE)}:
        return "it may be a SavedModel of TensorFlow; convert it with tf2onnx"
    return None
