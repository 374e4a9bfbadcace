"""How often a Loop runs, held against onnxruntime."""

import numpy as np
import onnxruntime
import pytest

from solvers.onnx_reader import Unreadable, read
from tests.support.onnx.graphs import counting_loop


@pytest.mark.parametrize(
    ("condition", "rounds"),
    [
        ("more = Less (next, last)", 10),
        ("more = LessOrEqual (next, last)", 11),
        ("more = Less (i, last)", 11),
        ("twice = Add (next, next) more = Less (twice, last)", 5),
    ],
)
def test_a_condition_that_counts_to_a_constant(condition: str, rounds: int) -> None:
    model = counting_loop(condition)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    # Each round adds one to the counter, which is a result.
    counted, _ = session.run(None, {"x": np.zeros((1, 4), np.float32)})
    network = read(model.SerializeToString())
    assert rounds == counted
    assert network.cuts[-1].flop == 2 * 4 * 4 * rounds


def test_a_condition_on_the_data_leaves_the_cuts_before_it() -> None:
    model = counting_loop("big = ReduceMax <keepdims = 0> (then) more = Less (big, limit)")
    network = read(model.SerializeToString())
    assert [cut.tensors for cut in network.cuts] == [("x",), ("bent",)]
    assert not network.complete
    assert "how often it runs is not known" in network.notes[-1]
    given = read(model.SerializeToString(), sizes={"done": (6,)})
    assert given.cuts[-1].flop == 2 * 4 * 4 * 6


def test_a_loop_that_never_ends_is_not_counted() -> None:
    model = counting_loop("more = Less (zero, last)")
    network = read(model.SerializeToString())
    assert not network.complete
    model.graph.output.pop(0)
    del model.graph.node[0]  # nothing before it
    model.graph.node[0].input[3] = "x"
    with pytest.raises(Unreadable, match="size=NAME:100"):
        read(model.SerializeToString())
