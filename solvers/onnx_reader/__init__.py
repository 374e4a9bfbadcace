"""ONNX bytes to places to cut, with what each costs.

Runs on Python 3.10 with numpy and onnx alone.
"""

from solvers.onnx_reader.network import Cut, Dropped, Network, Number, Options, Unreadable
from solvers.onnx_reader.reader import parse_input_byte, parse_shape, parse_size, parse_value, read

__all__ = [
    "Cut",
    "Dropped",
    "Network",
    "Number",
    "Options",
    "Unreadable",
    "parse_input_byte",
    "parse_shape",
    "parse_size",
    "parse_value",
    "read",
]
