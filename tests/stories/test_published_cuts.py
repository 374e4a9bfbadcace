"""A Raspberry Pi 4's VGG16 is planned as it was measured, cut by cut and clock by clock."""

import httpx
import numpy as np
import pytest

from app.catalogue import service as catalogue
from benchmarks import published_cuts
from tests.support.servers import Service


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
def test_time_and_energy_lie_within_the_stated_intervals(
    service: Service, client: httpx.Client
) -> None:
    """254 runs of 20 cuts at seven clocks; the intervals are those that the catalogue states."""
    needed = ("nvidia-t4", "wifi-20mhz")
    with service.database.writing() as session:
        catalogue.load(session, tuple(p for p in catalogue.shipped() if p.name in needed))
    found = published_cuts.planned(client)
    assert len(found.cut) == 254
    time, energy = np.abs(found.time_error), np.abs(found.energy_error)
    assert np.quantile(time, 0.9) < 0.014
    assert time.max() < 0.05
    assert np.median(energy) < 0.02
    assert np.quantile(energy, 0.9) < 0.09
    assert energy.max() < 0.35
