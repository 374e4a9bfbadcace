"""Small real networks, made here."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

IMAGE = (1, 3, 16, 16)


def value(
    name: str, shape: Sequence[int | str], element: int = TensorProto.FLOAT
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, shape)


def a_net(
    nodes: Sequence[NodeProto],
    weights: dict[str, NDArray[np.generic]],
    inputs: Sequence[onnx.ValueInfoProto] = (value("image", IMAGE),),
    outputs: Sequence[str] = ("scores",),
) -> ModelProto:
    """A checked model."""
    graph = helper.make_graph(
        nodes,
        "net",
        inputs,
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(inferred, full_check=True)
    del inferred.graph.value_info[:]
    return inferred


def weights(*shapes: tuple[str, tuple[int, ...]], seed: int = 0) -> dict[str, NDArray[np.generic]]:
    rng = np.random.default_rng(seed)
    return {
        name: (rng.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))).astype(np.float32)
        for name, shape in shapes
    }


def a_classifier(image: Sequence[int | str] = IMAGE) -> ModelProto:
    """Two convolutions, a pooling, a dense layer and a softmax over ten classes: seven cuts."""
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1"], ["relu1"]),
        helper.make_node("MaxPool", ["relu1"], ["pool1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["pool1", "w2"], ["conv2"], pads=[1, 1, 1, 1]),
        helper.make_node("Flatten", ["conv2"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["scores"]),
    ]
    shapes = (("w1", (8, 3, 3, 3)), ("w2", (16, 8, 3, 3)), ("w3", (10, 1024)))
    return a_net(nodes, weights(*shapes), inputs=[value("image", image)])


def a_branching_net() -> ModelProto:
    """Two branches that meet, and the input once more at the end."""
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["left"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["left"], ["left_relu"]),
        helper.make_node("Conv", ["image", "w2"], ["right"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["left_relu", "right"], ["sum"]),
        helper.make_node("Add", ["sum", "image"], ["scores"]),
    ]
    return a_net(nodes, weights(("w1", (3, 3, 3, 3)), ("w2", (3, 3, 3, 3))))


def a_net_with_an_early_result() -> ModelProto:
    """One result in the middle, one at the end that does not need it."""
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["conv1"], ["early"], keepdims=0),
        helper.make_node("Relu", ["conv1"], ["relu1"]),
        helper.make_node("Conv", ["relu1", "w2"], ["scores"], pads=[1, 1, 1, 1]),
    ]
    made = weights(("w1", (3, 3, 3, 3)), ("w2", (3, 3, 3, 3)))
    return a_net(nodes, made, outputs=["early", "scores"])


def a_net_with_a_capturing_if() -> ModelProto:
    """A branch whose body reads a tensor and a weight from around it."""
    bodies = {
        branch: helper.make_graph(
            [helper.make_node(operator, ["relu1", "shift"], [f"{branch}_out"])],
            branch,
            [],
            [value(f"{branch}_out", IMAGE)],
        )
        for branch, operator in (("then", "Add"), ("else", "Mul"))
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1"], ["relu1"]),
        helper.make_node("ReduceMax", ["relu1"], ["peak"], keepdims=0),
        helper.make_node("Greater", ["peak", "limit"], ["high"]),
        helper.make_node(
            "If", ["high"], ["chosen"], then_branch=bodies["then"], else_branch=bodies["else"]
        ),
        helper.make_node("Relu", ["chosen"], ["scores"]),
    ]
    made = weights(("w1", (3, 3, 3, 3)))
    made |= {"shift": np.full((1, 3, 1, 1), 0.5, np.float32), "limit": np.array(0.1, np.float32)}
    return a_net(nodes, made)


def an_image(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    return {"image": np.random.default_rng(seed).standard_normal(IMAGE).astype(np.float32)}


def saved(model: ModelProto, folder: Path, name: str = "net") -> Path:
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return path
