"""Figures of many users, of few, and of numbers that are none."""

import numpy as np
import pyarrow as pa
import pytest

from app.figures import cuts, energy, latency, progress, rate_tables, shares
from app.figures.columns import columns
from app.figures.description import Figure
from app.figures.progress import Moment
from app.figures.svg import drawn
from tests.support.figures import drawing


def a_fleet(users: int) -> pa.Table:
    """Users in columns, as large robust plans are kept."""
    rng = np.random.default_rng(1)
    part = rng.uniform(0.01, 0.1, (4, users))
    spent = {"compute_j": part[0], "static_j": 0.0 * part[0], "radio_j": part[1]}
    times = dict(zip(("device_s", "uplink_s", "network_s", "server_s"), part, strict=True))
    mean = part.sum(axis=0)
    times |= {"mean_s": mean, "bound_s": 1.1 * mean}
    return pa.table(
        {
            "id": [f"camera-{n}" for n in range(users)],
            "device": pa.array([f"board-{n % 20}" for n in range(users)]).dictionary_encode(),
            "bandwidth_hz": np.where(np.arange(users) % 3 == 0, 0.0, part[2] * 1e6),
            "bandwidth_share": part[2],
            "energy": pa.StructArray.from_arrays([*map(pa.array, spent.values())], [*spent]),
            "latency": pa.StructArray.from_arrays([*map(pa.array, times.values())], [*times]),
            "deadline_s": np.full(users, 0.5),
        }
    )


def every(table: pa.Table, block: int = 4096) -> list[Figure]:
    """The figures of users in blocks."""
    parts = [table.slice(start, block) for start in range(0, len(table), block)]
    made = [
        latency.figure(columns(parts, latency.NUMBERS, ("id",))),
        energy.figure(columns(parts, energy.NUMBERS, ("device",))),
        shares.figure(columns(parts, shares.NUMBERS, ("id",))),
    ]
    return [Figure.model_validate_json(figure.model_dump_json()) for figure in made]


@pytest.mark.parametrize("users", [1, 30, 31, 100_000])
def test_drawings_are_small_however_many_users_there_are(users: int) -> None:
    for figure in every(a_fleet(users)):
        for size in ("wide", "narrow"):
            content = drawn(figure, size)
            assert len(content) < 100_000
            drawing(content)


def test_columns_and_objects_are_the_same_figure() -> None:
    table = a_fleet(50)
    objects = [table.slice(0, 20).to_pylist(), table.slice(20).to_pylist()]
    for of, texts in ((latency, ()), (energy, ("device",)), (shares, ())):
        assert of.figure(columns(objects, of.NUMBERS, texts)) == of.figure(
            columns([table], of.NUMBERS, texts)
        )


def test_everybody_is_counted_once() -> None:
    table = a_fleet(5000)
    times, _, given = every(table)
    assert sum(times.panels[0].marks[0].y_to or ()) == 5000.0
    some = int(np.count_nonzero(table["bandwidth_hz"].to_numpy()))
    assert sum(given.panels[0].marks[0].y_to or ()) == some


def test_means_of_kinds_add_up_to_those_of_all() -> None:
    table = a_fleet(400)
    _, spent, _ = every(table)
    panel = spent.panels[0]
    assert len(panel.y.names or ()) == 13, "all, eleven kinds, and the others as one"
    computing = panel.marks[0].x_to or []
    whole = table["energy"].combine_chunks().field("compute_j").to_numpy()
    assert np.isclose(computing[0], whole.mean())
    assert np.isclose(computing[1], whole[0::20].mean())


@pytest.mark.parametrize("hole", [None, float("nan"), float("inf")])
def test_numbers_that_are_none_are_left_out(hole: float | None) -> None:
    users = a_fleet(3).to_pylist()
    users[1]["latency"]["uplink_s"] = hole
    users[1]["latency"]["bound_s"] = users[1]["deadline_s"] = None
    users[2]["bandwidth_hz"] = None
    users[0]["energy"]["radio_j"] = None
    for of, texts in ((latency, ("id",)), (energy, ("device",)), (shares, ("id",))):
        figure = of.figure(columns([users], of.NUMBERS, texts))
        drawing(drawn(figure))
        assert all(
            np.isfinite([*one.x, *one.y, *(one.x_to or ()), *(one.y_to or ())]).all()
            for panel in figure.panels
            for one in panel.marks
        )


def test_a_network_of_many_cuts_and_many_networks_are_cut_short() -> None:
    counts = {f"net-{n}/block/{cut}": cut + 1 for n in range(9) for cut in range(40)}
    figure = cuts.figure(counts)
    assert len(figure.panels) == 6
    assert figure.panels[0].y.names is not None
    assert figure.panels[0].y.names[-1] == "25 other cuts"
    assert sum(figure.panels[0].marks[0].x_to or ()) == sum(range(41))
    drawing(drawn(figure))
    drawing(drawn(cuts.figure({})))


def test_objective_and_bound_are_drawn_from_where_they_are_known() -> None:
    none = float("nan")
    moments = [Moment(0.0, none, none), Moment(0.5, 3.0, none), Moment(1.0, 2.0, 1.5)]
    figure = progress.figure(moments, "J")
    best, bound = figure.panels[0].marks[:2]
    assert (best.x, best.y, bound.x, bound.y) == ([0.5, 1.0], [3.0, 2.0], [1.0], [1.5])
    assert "25 % apart" in figure.alternative.replace("\u202f", " ")
    drawing(drawn(figure))
    drawing(drawn(progress.figure([Moment(0.1, 0.0, none)] * 2000, None)))


def test_a_table_in_which_nothing_keeps_the_limits_is_drawn() -> None:
    row = {"rate_from_bps": 0.0, "rate_to_bps": None, "cut": None, "cut_name": None, "bits": None}
    figure = rate_tables.figure([{"id": "lost", "table": {"rows": [row]}}])
    assert figure.panels[0].marks[0].label == "nothing keeps the limits"
    drawing(drawn(figure))
