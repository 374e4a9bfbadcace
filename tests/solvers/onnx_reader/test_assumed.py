"""What depends on the data: cuts before it, and sizes that are given."""

import pytest

from solvers.onnx_reader import Unreadable, parse_size, read
from tests.support.onnx.graphs import two_stages

CONTENT = two_stages().SerializeToString()
BACKBONE = [("image",), ("feature",), ("relu",)]


def test_cuts_of_the_backbone_are_listed() -> None:
    network = read(CONTENT)
    assert [cut.tensors for cut in network.cuts] == BACKBONE
    assert not network.complete
    assert "the node 'result' (MatMul) works on a tensor whose size depends" in network.notes[-1]


@pytest.mark.parametrize("name", ["found", "kept"])
def test_a_size_that_is_given(name: str) -> None:
    """Of the tensor itself, or by the name that the file gives the dimension of the result."""
    network = read(CONTENT, sizes={name: (7,)})
    assert [cut.tensors for cut in network.cuts] == [*BACKBONE, ("all",), ("rois",), ()]
    assert network.cuts[-1].flop - network.cuts[-2].flop == 2 * 7 * 4 * 5
    assert network.cuts[-2].feature_byte == 7 * 4 * 4
    assert network.complete


@pytest.mark.parametrize(
    ("sizes", "why"),
    [({"kept": (7, 3)}, "has 1 open dimensions"), ({"relu": (7,)}, "nothing named 'relu'")],
)
def test_sizes_of_what_has_none(sizes: dict[str, tuple[int, ...]], why: str) -> None:
    with pytest.raises(Unreadable, match=why) as refused:
        read(CONTENT, sizes=sizes)
    assert refused.value.option == "sizes"


def test_a_shape_of_what_depends_on_the_data_is_no_constant() -> None:
    network = read(two_stages(measured=True).SerializeToString(), sizes={"kept": (7,)})
    assert network.shape_values == {}
    assert [cut.tensors for cut in network.cuts][:3] == BACKBONE


def test_sizes_are_parsed() -> None:
    assert parse_size("kept:7,3") == ("kept", (7, 3))
    for text in ("kept", "kept:", "kept:x", ":1", "kept:-1"):
        with pytest.raises(Unreadable, match="not of the form name:100"):
            parse_size(text)
