"""Many robust plans: what fails is told of, and takes nothing else along."""

from typing import Any

import pytest

from app.plans.family import Json, Outline
from app.plans.pins import Pins
from app.plans.resolve import Resolver
from app.plans.robust import survey
from app.plans.robust.run import prepare
from app.plans.robust.schemas import RobustRequest
from solvers.progress import Progress
from tests.support.robust.requests import a_cell, a_user


class NoLibrary:
    """Everything is inline."""

    samples = None


def prepared(body: Json) -> Any:
    return prepare(RobustRequest.model_validate(body), Resolver(NoLibrary(), pins=Pins()))  # type: ignore[arg-type]


def outlines(bodies: list[Json]) -> dict[int, Outline]:
    found = list(survey.RobustSurvey().outlines(bodies, prepared, Progress()))
    assert sorted(n for n, _ in found) == list(range(len(bodies)))
    return dict(found)


BODIES = [
    a_cell(a_user(id="near", gain_db=-88.0), a_user(id="far", gain_db=-94.0), bandwidth_hz=width_hz)
    for width_hz in (1e6, 8e6, 3e6)
]


def test_a_sweep_that_fails_leaves_its_points_to_themselves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usual = outlines(BODIES)

    def failing(*_: object) -> Any:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(survey, "swept", failing)
    alone = outlines(BODIES)
    assert "a sweep failed" in caplog.text
    for n, outline in usual.items():
        assert outline.status == alone[n].status == "solved"
        assert outline.objective == pytest.approx(alone[n].objective, rel=2e-6)
        assert outline.latency_max_s == pytest.approx(alone[n].latency_max_s, rel=1e-3)
    monkeypatch.setattr(survey, "plan_cells", failing)
    assert {outline.status for outline in outlines(BODIES).values()} == {"failed"}
