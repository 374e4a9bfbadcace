"""The networks that come with onnx: work and weights as published, and all their cuts."""

import numpy as np
import onnx
import onnxruntime
import pytest

from benchmarks import light_models
from benchmarks.onnx_backend import compare, files
from solvers.onnx_reader import Cut, Options, read
from tests.support.onnx.graphs import light

# GMAC and millions of parameters of these files (AlexNet with its two groups, batch norm with its
# running statistics).
PUBLISHED = {
    "bvlc_alexnet": (0.655, 60.97),
    "vgg19": (19.632, 143.667),
    "resnet50": (4.089, 25.61),
    "densenet121": (2.834, 8.15),
    "squeezenet": (0.349, 1.235),
    "inception_v1": (1.432, 7.00),
    "inception_v2": (2.019, 11.2),
    "shufflenet": (0.125, 1.42),
    "zfnet512": (1.482, 87.3),
}
# Places strictly between the inputs and the end: through one tensor, at fusion boundaries, through
# up to two tensors.
PLACES = {
    "bvlc_alexnet": (21, 12, 21),
    "vgg19": (43, 23, 43),
    "resnet50": (39, 19, 239),
    "densenet121": (87, 67, 667),
    "squeezenet": (32, 21, 96),
    "inception_v1": (24, 19, 141),
    "inception_v2": (30, 16, 365),
    "shufflenet": (39, 19, 232),
    "zfnet512": (21, 12, 21),
}
each_network = pytest.mark.parametrize("name", PUBLISHED)


@pytest.mark.slow
@each_network
def test_work_and_weights_are_the_published_ones(name: str) -> None:
    network = read(light(name))
    gmac, parameters = PUBLISHED[name]
    assert network.cuts[-1].flop / 2e9 == pytest.approx(gmac, rel=0.005)
    assert network.parameters / 1e6 == pytest.approx(parameters, rel=0.005)
    assert network.cuts[-1].parameter_byte == 4 * network.parameters
    assert network.notes == ()


@pytest.mark.slow
@each_network
def test_every_place_is_found(name: str) -> None:
    content = light(name)
    every = (Options(), Options(fusion_boundaries=True), Options(max_tensors=2))
    assert tuple(len(read(content, options=options).cuts) - 2 for options in every) == PLACES[name]


@pytest.mark.slow
@each_network
def test_cuts_run_from_nothing_to_everything(name: str) -> None:
    first, *inner, last = read(light(name), options=Options(max_tensors=3)).cuts
    assert (first.name, first.flop, first.parameter_byte, first.feature_byte) == (
        "input",
        0,
        0,
        4 * 3 * 224 * 224,
    )
    assert (last.feature_byte, last.tensors) == (0, ())
    assert all(
        cut.feature_byte == 4 * cut.feature_elements > 0 and 1 <= len(cut.tensors) <= 3
        for cut in inner
    )
    assert len({cut.tensors for cut in inner}) == len(inner)
    before: Cut = first
    for cut in [*inner, last]:
        assert before.flop <= cut.flop
        assert before.parameter_byte <= cut.parameter_byte
        before = cut


@pytest.mark.slow
@each_network
def test_a_list_for_fewer_tensors_is_part_of_one_for_more(name: str) -> None:
    content = light(name)
    one, two = (set(read(content, options=Options(max_tensors=most)).cuts) for most in (1, 2))
    assert one <= two


@pytest.mark.slow
@each_network
def test_what_pareto_leaves_out_is_beaten_and_what_it_keeps_is_not(name: str) -> None:
    every = read(light(name)).cuts
    network = read(light(name), options=Options(pareto=True))
    kept = network.cuts
    assert {*kept, *(dropped.cut for dropped in network.dropped)} == set(every)
    assert (kept[0], kept[-1]) == (every[0], every[-1])

    def beats(one: Cut, other: Cut) -> bool:
        no_worse = one.flop <= other.flop and one.feature_byte <= other.feature_byte
        return no_worse and (one.flop, one.feature_byte) != (other.flop, other.feature_byte)

    by_name = {cut.name: cut for cut in every}
    for dropped in network.dropped:
        better = by_name[dropped.dominated_by]
        equal = (better.flop, better.feature_byte) == (dropped.cut.flop, dropped.cut.feature_byte)
        assert beats(better, dropped.cut) or (
            equal and every.index(better) > every.index(dropped.cut)
        )
        assert better in kept
    for cut in kept[1:-1]:
        assert not any(beats(other, cut) for other in every)


def test_the_bytes_of_the_input_are_the_callers() -> None:
    network = read(light("squeezenet"), options=Options(input_byte={"data_0": 20_000}))
    assert network.cuts[0].feature_byte == 20_000
    assert network.cuts[0].feature_elements == 3 * 224 * 224
    assert network.cuts[1:] == read(light("squeezenet")).cuts[1:]


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_what_crosses_is_as_large_as_a_runtime_makes_it(name: str) -> None:
    network = read(light(name), options=Options(max_tensors=2))
    model = onnx.ModelProto.FromString(light(name))
    made = sorted({tensor for cut in network.cuts for tensor in cut.tensors} - set(network.shapes))
    model.graph.output.extend(
        onnx.ValueInfoProto(name=tensor) for tensor in made if tensor not in network.outputs
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # it warns of initializers that are inputs too
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    given = {tensor: np.ones(shape, np.float32) for tensor, shape in network.shapes.items()}
    tensors = given | dict(zip(made, session.run(made, given), strict=True))
    assert len(network.cuts) > 90
    for cut in network.cuts:
        assert cut.feature_elements == sum(tensors[tensor].size for tensor in cut.tensors)
        assert cut.feature_byte == sum(tensors[tensor].nbytes for tensor in cut.tensors)


@pytest.mark.slow
def test_the_backend_tests_of_onnx_count_as_a_runtime_makes_them() -> None:
    """A quarter of those that are files; `python -m benchmarks.onnx_backend` has all, and those of
    each operator too.
    """
    found = [compare(case) for case in list(files())[len(light_models.names()) :: 4]]
    assert [each for each in found if each.by in ("onnxruntime", "onnx") and each.difference] == []
    assert sum(each.by in ("onnxruntime", "onnx") for each in found) >= 30
    assert sum(each.works for each in found) >= 5
