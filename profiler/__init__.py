"""Measures networks where they run: on the device, with numpy, onnx and onnxruntime alone, from
Python 3.10 on.
"""
