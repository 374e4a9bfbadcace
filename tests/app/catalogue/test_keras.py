"""Our cuts are where Keras's layers say."""

import pytest

from app.catalogue.kept_blocks import kept_blocks
from app.catalogue.keras import BLOCK_NETWORKS, COUNTERPARTS, BlockNetwork, block_cuts
from app.catalogue.networks import NETWORKS
from app.catalogue.stages import cuts

OURS = {network.name: network for network in NETWORKS}


@pytest.mark.parametrize("model", COUNTERPARTS)
def test_a_cut_is_the_layer_with_its_work_and_its_feature(model: str) -> None:
    """What a layer leaves and has cost is that of our cut, up to batch norm and pooling; ResNet's
    stride is elsewhere.
    """
    counterpart = COUNTERPARTS[model]
    ours = cuts(OURS[model])
    assert len(counterpart.last_layers) == len(ours)
    blocks = kept_blocks().blocks[counterpart.table]
    assert counterpart.last_layers[-1] == blocks[-1].last_layer
    for cut, last in zip(ours[1:-1], counterpart.last_layers[1:-1], strict=True):
        before = [block for block in blocks if block.last_layer <= last]
        flop = sum(block.flop or 0 for block in before)
        assert flop == pytest.approx(cut.flop, rel=0.35)
        if before[-1].last_layer == last and not cut.name.startswith("pool"):
            assert before[-1].output_byte == cut.feature_byte


@pytest.mark.parametrize("network", BLOCK_NETWORKS, ids=lambda network: network.name)
def test_a_network_of_blocks_is_cut_where_a_runtime_can_stop(network: BlockNetwork) -> None:
    rows = block_cuts(network)
    names = [cut["name"] for cut in rows]
    assert len(set(names)) == len(names)
    assert rows[0]["flop"] == 0
    assert rows[-1]["feature_byte"] == 0
    assert all(cut["feature_byte"] for cut in rows[:-1])
