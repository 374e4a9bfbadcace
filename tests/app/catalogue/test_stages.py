"""Networks as chains of stages."""

import pytest

from app.catalogue.graphs import Graph, Tensor
from app.catalogue.layers import conv
from app.catalogue.stages import Network, cuts


def test_a_stage_where_a_second_tensor_lives_is_refused() -> None:
    def add_the_input(graph: Graph, tensor: Tensor) -> Tensor:
        return graph.add("Add", [tensor.name, graph.input.name], tensor.shape)

    network = Network(
        "net", (("a", conv(3, 3)), ("b", conv(3, 3)), ("sum", add_the_input)), "nobody"
    )
    with pytest.raises(ValueError, match=r"net cannot be cut at .*'b'"):
        cuts(network)
