"""What references stood for, and timings that nobody named."""

from app.plans.pins import Pins
from app.profiles.references import ProfileRef


def test_pins_are_kept_by_what_was_named() -> None:
    pins = Pins()
    assert pins.stored("device", "camera") is None
    pins.pin("device", "camera", ProfileRef("camera", 3))
    pins.pin("timing", "t@2", ProfileRef("t", 2))
    assert not pins.has_timing("device", "camera", "net")
    pins.pin_timing("device", "camera", "net", ProfileRef("measured", 7))
    pins.pin_timing("server", "edge", "net", None)
    assert pins.kept == {
        "device/camera": "camera@3",
        "timing/t@2": "t@2",
        "timing/device/camera/net": "measured@7",
        "timing/server/edge/net": None,
    }
    again = Pins.of(pins.kept)
    assert again.stored("device", "camera") == ProfileRef("camera", 3)
    assert again.timing("device", "camera", "net") == ProfileRef("measured", 7)
    assert again.has_timing("server", "edge", "net")
    assert again.timing("server", "edge", "net") is None
    assert again.timings == {ProfileRef("t", 2), ProfileRef("measured", 7)}
    again.pin("device", "other", ProfileRef("other", 1))
    assert "device/other" not in pins.kept
