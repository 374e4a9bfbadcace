"""What fewer bits cost, on real networks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from app.profiles.schemas.model import Model
from profiler.command import main
from profiler.network import Network, open_network
from profiler.quantization import (
    BadCalibration,
    load_inputs,
    load_labels,
    measure_losses,
    quantized,
)
from profiler.runtime import Runner
from tests.support.profiler import nets


@pytest.fixture
def classifier(tmp_path: Path) -> Network:
    return open_network(nets.saved(nets.a_classifier(), tmp_path))


def images(count: int) -> list[dict[str, Any]]:
    return [nets.an_image(seed) for seed in range(count)]


@pytest.mark.parametrize("bits", [1, 2, 8, 16])
def test_a_tensor_keeps_its_ends_and_errs_by_half_a_step(bits: int) -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, (4, 50)).astype(np.float32)
    sent = quantized(values, bits)
    assert sent.dtype == values.dtype
    assert len(np.unique(sent)) <= 2**bits
    assert (sent.min(), sent.max()) == (pytest.approx(values.min()), pytest.approx(values.max()))
    step = (values.max() - values.min()) / (2**bits - 1)
    assert np.abs(sent - values).max() <= step * 0.5001
    assert len(np.unique(np.rint((sent - values.min()) / step))) == len(np.unique(sent))


def test_what_has_no_range_or_is_no_number_is_sent_as_it_is() -> None:
    for values in (np.full(5, 2.5, np.float32), np.arange(300), np.zeros((0, 3), np.float32)):
        np.testing.assert_array_equal(quantized(values, 1), values)
    with pytest.raises(BadCalibration, match="infinite"):
        quantized(np.array([0.0, np.inf]), 8)


def test_more_bits_lose_less(classifier: Network) -> None:
    found = list(measure_losses(classifier, images(40), [1, 4, 16]))
    assert [losses.cut for losses in found] == list(range(7))  # nothing crosses at the last
    for losses in found:
        assert 0.0 <= losses.by_bits[16] <= 0.05
        assert losses.by_bits[16] <= losses.by_bits[4] <= 1.0
    assert max(losses.by_bits[1] for losses in found) > 0.3


def test_the_loss_is_the_share_of_answers_that_change(classifier: Network) -> None:
    """Counted again by hand at one cut, from the file's own session."""
    (losses,) = (each for each in measure_losses(classifier, images(30), [2]) if each.cut == 3)
    halves = classifier.halves(3)
    device, server = Runner(halves.device, 1), Runner(halves.server, 1)
    changed = 0
    for image in images(30):
        feature = device(image)["pool1"]
        levels = np.linspace(feature.min(), feature.max(), 4)
        near = levels[np.abs(feature[..., None] - levels).argmin(axis=-1)].astype(np.float32)
        changed += int(
            server({"pool1": near})["scores"].argmax()
            != server({"pool1": feature})["scores"].argmax()
        )
    assert losses.by_bits[2] == pytest.approx(changed / 30)
    assert changed > 0


def test_labels_decide_where_they_are_given(classifier: Network) -> None:
    whole = Runner(classifier.graph.exposing(()), 1)
    right = [int(whole(image)["scores"].argmax()) for image in images(20)]
    wrong = [(label + 1) % 10 for label in right]
    agreement = {
        losses.cut: losses.by_bits for losses in measure_losses(classifier, images(20), [2])
    }
    assert {
        x.cut: x.by_bits for x in measure_losses(classifier, images(20), [2], right)
    } == agreement
    assert all(
        losses.by_bits[2] == 0.0 for losses in measure_losses(classifier, images(20), [2], wrong)
    )


def test_what_is_no_classifier_loses_in_distance(tmp_path: Path) -> None:
    network = open_network(nets.saved(nets.a_branching_net(), tmp_path))
    (losses,) = (each for each in measure_losses(network, images(3), [2, 8]) if each.cut == 0)
    device = Runner(network.graph.exposing(()), 1)
    apart = []
    for image in images(3):
        results = [
            device({"image": values})["scores"]
            for values in (image["image"], quantized(image["image"], 8))
        ]
        apart.append(np.linalg.norm(results[0] - results[1]) / np.linalg.norm(results[0]))
    assert losses.by_bits[8] == pytest.approx(np.mean(apart), rel=1e-3)
    assert losses.by_bits[8] < losses.by_bits[2]
    with pytest.raises(BadCalibration, match="no classifier"):
        list(measure_losses(network, images(3), [2], labels=[0, 1, 2]))


def test_a_result_that_crosses_is_quantized_too(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["early"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["early"], ["scores"]),
    ]
    net = nets.a_net(nodes, nets.weights(("w1", (3, 3, 3, 3))), outputs=["early", "scores"])
    network = open_network(nets.saved(net, tmp_path))
    found = {losses.cut: losses.by_bits[2] for losses in measure_losses(network, images(2), [2])}
    assert found[1] > 0.05


def test_samples_come_from_an_archive_or_a_folder(classifier: Network, tmp_path: Path) -> None:
    stack = np.concatenate([image["image"] for image in images(4)])
    np.savez(tmp_path / "all.npz", image=stack)
    folder = tmp_path / "samples"
    folder.mkdir()
    for n, image in enumerate(images(4)):
        np.save(folder / f"{n}.npy", image["image"]) if n % 2 else np.savez(
            folder / f"{n}.npz", **image
        )
    for path in (tmp_path / "all.npz", folder):
        loaded = load_inputs(path, classifier)
        np.testing.assert_array_equal(np.concatenate([sample["image"] for sample in loaded]), stack)
    np.save(tmp_path / "labels.npy", np.array([3, 1]))
    (tmp_path / "labels.txt").write_text("3\n1\n")
    assert load_labels(tmp_path / "labels.npy") == load_labels(tmp_path / "labels.txt") == [3, 1]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"picture": np.zeros(nets.IMAGE, np.float32)}, "has no input"),
        ({"image": np.zeros((2, 3, 8, 8), np.float32)}, "has the shape"),
        ({"image": np.zeros(nets.IMAGE)}, "is float64, not float32"),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    classifier: Network, tmp_path: Path, arrays: dict[str, Any], said: str
) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    np.savez(folder / "one.npz", **arrays)
    with pytest.raises(BadCalibration, match=said):
        load_inputs(folder, classifier)
    with pytest.raises(BadCalibration, match=said if "image" in arrays else "has no inputs"):
        load_inputs(folder / "one.npz", classifier)


def test_the_command_fills_a_profile_that_the_service_takes(
    classifier: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "all.npz", image=np.concatenate([image["image"] for image in images(6)]))
    (tmp_path / "labels.txt").write_text("0\n1\n2\n3\n4\n5\n")
    out = tmp_path / "profile.json"
    asked = [
        "quantization",
        str(tmp_path / "net.onnx"),
        "--calibration",
        str(tmp_path / "all.npz"),
        "--out",
        str(out),
    ]
    assert main([*asked, "--bits", "8,2"]) == 0
    profile = Model.model_validate_json(out.read_text())
    assert profile.provenance == "measured"
    assert profile.source_sha256 == classifier.sha256
    assert "6 inputs" in (profile.reference or "")
    tables = [[entry.bits for entry in cut.quantization or ()] for cut in profile.cuts]
    assert tables == [[2, 8]] * 7 + [[]]
    assert capsys.readouterr().out.splitlines()[0].split() == [
        "cut",
        "2",
        "bit",
        "8",
        "bit",
        "name",
    ]
    # A profile that was filled can be filled again, keeping what else it says.
    given = json.loads(out.read_text()) | {"name": "mine"}
    (tmp_path / "given.json").write_text(json.dumps(given))
    more = [
        "--profile",
        str(tmp_path / "given.json"),
        "--labels",
        str(tmp_path / "labels.txt"),
        "--bits",
        "4",
    ]
    assert main([*asked, *more]) == 0
    again = Model.model_validate_json(out.read_text())
    assert again.name == "mine"
    assert [entry.bits for entry in again.cuts[2].quantization or ()] == [4]
    assert main([*asked, "--calibration", str(tmp_path / "nothing.npz")]) == 1
    assert "nothing.npz cannot be read" in capsys.readouterr().err
