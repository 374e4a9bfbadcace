"""The name of a cut belongs to the network and to what crosses, and to nothing else."""

import hashlib
from typing import Any

import pytest

from app.profiles.schemas.model import Model
from client import edge
from tests.support.builders import Body, a_model

SOURCE = "5f" * 32


def with_tensors(*tensors: list[str] | None, **fields: Any) -> Body:
    cuts = [
        cut | ({} if names is None else {"tensors": names})
        for cut, names in zip(a_model()["cuts"], tensors, strict=True)
    ]
    return a_model(cuts=cuts, **fields)


FROM_FILE = with_tensors(["x"], ["b", "a"], ["é"], [], source_sha256=SOURCE)


@pytest.mark.parametrize(
    "body",
    [a_model(), a_model(source_sha256=SOURCE), FROM_FILE, with_tensors(["x"], None, ["c"], [])],
    ids=["no file, no tensors", "no tensors", "all", "no file"],
)
def test_a_device_computes_the_same_names(body: Body) -> None:
    ids = [partition.id for partition in Model.model_validate(body).partitions]
    assert ids == [edge.partition_id(body, cut) for cut in range(4)]
    assert len(set(ids)) == 4


def test_the_name_is_the_digest_that_the_documentation_says() -> None:
    text = f'["{SOURCE}",["a","b"]]'
    assert edge.partition_id(FROM_FILE, 1) == hashlib.sha256(text.encode()).hexdigest()[:32]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "other"}, True),
        ({"result_byte": 4000}, True),
        ({"provenance": "measured"}, True),
        ({"source_sha256": "00" * 32}, False),
    ],
)
def test_it_outlives_what_is_not_the_network(change: Body, same: bool) -> None:
    assert (edge.partition_id(FROM_FILE | change, 1) == edge.partition_id(FROM_FILE, 1)) is same


def test_it_outlives_the_order_of_tensors_and_measured_codecs() -> None:
    before = with_tensors(["x"], ["a", "b"], None, [])
    turned = with_tensors(["x"], ["b", "a"], None, [], source_sha256=SOURCE)
    assert edge.partition_id(turned, 1) == edge.partition_id(FROM_FILE, 1)
    coded = before | {
        "cuts": [cut | {"quantization": [{"bits": 8, "loss": 0.01}]} for cut in before["cuts"]]
    }
    assert edge.partition_id(coded, 1) == edge.partition_id(before, 1)
