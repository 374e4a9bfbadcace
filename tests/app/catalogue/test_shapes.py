"""How measured time was spread over cuts."""

from pathlib import Path
from statistics import median

import pytest

from app.catalogue import service
from app.catalogue.shapes import errors_by_flop, measured_shapes, shaped_models, time_laws
from app.profiles.schemas.model import Model

PAGE = Path(__file__).parents[3] / "docs" / "catalogue.md"
MODELS = {each.name: each for each in service.shipped() if isinstance(each, Model)}


def work(model: str) -> list[int]:
    return [cut.flop for cut in MODELS[model].cuts]


@pytest.mark.parametrize("model", shaped_models())
def test_a_shape_covers_the_cuts_of_its_network(model: str) -> None:
    for shape in measured_shapes(model):
        assert len(shape.share) == len(work(model))
        assert (shape.share[0], shape.share[-1]) == (0.0, 1.0)
        assert list(shape.share) == sorted(shape.share)
        assert shape.whole_s > 0
        assert shape.reference


def test_a_network_that_nobody_timed_in_blocks_has_no_shape() -> None:
    assert measured_shapes("lenet") == ()


def test_vgg16_on_a_raspberry_pi_is_spread_as_its_source_says() -> None:
    """Cumulative shares of Scission's table, in percent, and of SPLINTER's."""
    (pi,) = (each for each in measured_shapes("vgg16") if each.board == "raspberry-pi-4-cpu")
    names = [cut.name for cut in MODELS["vgg16"].cuts]
    at = dict(zip(names, pi.share, strict=True))
    assert at["conv1_1"] == pytest.approx(0.0336, abs=5e-5)
    assert at["pool1"] == pytest.approx(0.1534, abs=5e-5)
    assert 1 - at["pool5"] == pytest.approx(0.13, abs=0.005)
    (int8,) = measured_shapes("vgg16-int8")
    assert (int8.precision, int8.threads) == ("int8", 1)
    assert 1 - int8.share[names.index("pool5")] == pytest.approx(0.03, abs=0.01)


@pytest.mark.parametrize("model", shaped_models())
def test_the_page_says_how_wrong_sharing_by_flop_is(model: str) -> None:
    errors = {shape.board: errors_by_flop(shape, work(model)) for shape in measured_shapes(model)}
    worst = max(errors, key=lambda board: errors[board][1])
    on_the_pi = (
        " | ".join(f"{100 * each:.1f}" for each in errors["raspberry-pi-4-cpu"])
        if "raspberry-pi-4-cpu" in errors
        else "|"
    )
    largest = [error for _, error in errors.values()]
    row = (
        f"| {model} | {len(errors)} | {on_the_pi} | {100 * median(largest):.1f}"
        f" | {100 * errors[worst][1]:.1f} | {worst} |"
    )
    assert row in PAGE.read_text(encoding="utf-8")


def test_a_law_foretells_a_machine_from_its_work() -> None:
    """VGG16's first big convolution on the Raspberry Pi 4, 244.7 ms in Scission's table."""
    (law,) = (each for each in time_laws() if each.machine == "raspberry-pi-4-cpu")
    assert law.networks == 18
    time_s = law.block_s(
        flop=3_699_376_128, feature_byte=2 * 12_845_056, parameter_byte=4 * 36_928, layers=1
    )
    assert time_s == pytest.approx(0.2447, rel=0.1)
