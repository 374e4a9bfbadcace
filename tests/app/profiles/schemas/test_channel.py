"""Channels."""

import pytest

from app.profiles.schemas.channel import ChannelPathLoss


def test_the_gain_falls_with_distance() -> None:
    # 3GPP TR 36.814, macro: 128.1 + 37.6 log10(d_km) dB, which is 15.3 + 37.6 log10(d_m).
    loss = ChannelPathLoss(intercept_db=15.3, exponent=3.76)
    assert loss.gain_db(1000.0) == pytest.approx(-128.1)
