"""What a request says of power, rates, servers and codecs as the columns of its problem."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app.errors import InvalidRequest
from app.field_errors import field_errors
from app.plans.library import StoredLibrary
from app.plans.resolve import Resolver
from app.plans.robust.cells import Cell
from app.plans.robust.clocks import ENERGY_SOURCES
from app.plans.robust.run import prepare
from app.plans.robust.schemas import RobustRequest
from solvers.rate_law import SHANNON, RateLaw
from tests.support.builders import (
    Body,
    a_channel,
    a_device,
    a_model,
    a_server,
    a_server_timing,
    a_timing,
)
from tests.support.robust.requests import a_cell, a_user
from tests.support.servers import Service

pytestmark = pytest.mark.either

LEVELS = [4e8, 6e8, 8e8, 1e9]
JPEG = {
    "name": "jpeg-75",
    "byte": 12_000,
    "byte_max": 20_000,
    "device_s": 0.002,
    "device_cycles": 1e6,
    "variance_s2": 1e-8,
    "server_s": 0.003,
    "loss": 0.01,
    "provenance": "analytic",
}
NEAR = a_server(name="near", capacity_flop_per_s=1e12)
FAR = a_server(name="far", capacity_flop_per_s=8e12)
CLOUD = {
    "server": a_server(name="cloud", capacity_flop_per_s=2e13),
    "backhaul_bps": 1e9,
    "backhaul_rtt_s": 0.005,
}


@pytest.fixture
def resolver(service: Service) -> Iterator[Resolver]:
    with service.database.reading() as session:
        yield Resolver(StoredLibrary(session))


def cell(resolver: Resolver, body: Body) -> Cell:
    """The only cell of a request."""
    (only,) = prepare(RobustRequest.model_validate(body), resolver).assembled.cells
    return only


def coded(**codec: Any) -> Body:
    first, *others = a_model()["cuts"]
    return a_model(cuts=[first | {"codecs": [JPEG | codec]}, *others])


def at_levels(*levels: Body) -> Body:
    """A timing with measured levels at the first clocks: each cut takes as long as they say."""
    entries = [
        {
            "flop_per_cycle": 4.0,
            "variance_s2": 0.0,
            "levels": [
                {"frequency_hz": LEVELS[k], "mean_s": 0.01 * m, "variance_s2": 0.0, **level}
                for k, level in enumerate(levels)
            ],
        }
        for m in range(4)
    ]
    return a_timing(cuts=entries)


def test_the_terms_of_a_plain_request_are_none(resolver: Resolver) -> None:
    problem = cell(resolver, a_cell()).problem
    work = problem.workloads
    assert work.cut.tolist() == [0, 1, 2, 3]
    assert problem.rate_law is SHANNON
    assert problem.downlink_bps == float("inf")
    assert problem.server_capacity == ()
    assert problem.radio_power_w is problem.rate_hz is problem.max_loss is None
    assert not np.any(work.static_power_w)
    assert not np.any(work.fixed_energy_j)
    assert set(work.power_coefficient) == {1e-27}
    assert set(work.power_exponent) == {3.0}
    assert not np.any(work.standby_power_w)
    assert not np.any(work.energy_j_per_bit)


class TestPower:
    """Measured beats the law, level by level."""

    def test_the_law_of_the_device(self, resolver: Resolver) -> None:
        device = a_device(
            power_coefficient_w_per_hz3=None,
            static_power_w=2.5,
            power_coefficient=5e-9,
            power_exponent=1.0,
            energy_per_inference_j=0.25,
        )
        found = cell(resolver, a_cell(a_user(device=device)))
        work = found.problem.workloads
        assert work.static_power_w.tolist() == [2.5] * 4
        assert work.power_coefficient.tolist() == [5e-9] * 4
        assert work.power_exponent.tolist() == [1.0] * 4
        assert work.fixed_energy_j.tolist() == [0.0, 0.25, 0.25, 0.25], "nothing runs at cut 0"
        assert {ENERGY_SOURCES[k] for k in found.meanings.energy_source} == {"law"}

    def test_energy_then_power_then_the_devices_power_then_the_law(
        self, resolver: Resolver
    ) -> None:
        device = a_device(
            frequency_levels_hz=LEVELS, level_power_w=[1.0, 2.0, 3.0, 4.0], static_power_w=0.5
        )
        timing = at_levels({"energy_j": 0.07, "power_w": 9.0}, {"power_w": 5.0}, {})
        user = a_user(device=device, device_timing=timing)
        found = cell(resolver, a_cell(user))
        last = found.problem.workloads.cut == 3
        work = found.problem.workloads
        sources = [ENERGY_SOURCES[k] for k in found.meanings.energy_source[last]]
        assert sources == ["energy_j", "power_w", "level_power_w", "level_power_w"]
        assert work.fixed_energy_j[last].tolist() == [0.07, 0.0, 0.0, 0.0]
        assert work.static_power_w[last].tolist() == [0.0, 5.0, 3.0, 4.0]
        assert not np.any(work.power_coefficient)
        without = {**device, "level_power_w": None}
        found = cell(resolver, a_cell(user | {"device": without}))
        sources = [ENERGY_SOURCES[k] for k in found.meanings.energy_source[last]]
        assert sources == ["energy_j", "power_w", "law", "law"]
        assert found.problem.workloads.static_power_w[last].tolist() == [0.0, 5.0, 0.5, 0.5]

    def test_coding_draws_beside_a_measured_energy(self, resolver: Resolver) -> None:
        device = a_device(frequency_levels_hz=LEVELS)
        timing = at_levels({"energy_j": 0.0}, {"energy_j": 0.0, "power_w": 3.0})
        user = a_user(device=device, device_timing=timing, model=coded(), max_loss=0.1)
        found = cell(resolver, a_cell(user))
        work, coding = found.problem.workloads, found.meanings.codec == 0
        clocks = np.array(LEVELS)
        time = 0.002 + 1e6 / clocks
        assert work.overhead_s[coding] == pytest.approx(time)
        assert work.fixed_energy_j[coding][:2] == pytest.approx(
            [1e-27 * clocks[0] ** 3 * time[0], 3.0 * time[1]]
        )

    def test_the_whole_device(self, resolver: Resolver) -> None:
        whole = {"energy": "whole"}
        body = a_cell(a_user(device=a_device(idle_power_w=1.5)), options=whole)
        assert cell(resolver, body).problem.workloads.standby_power_w.tolist() == [1.5]
        with pytest.raises(InvalidRequest) as refused:
            cell(resolver, a_cell(a_user(), options=whole))
        (fault,) = refused.value.errors
        assert fault.pointer == "/users/0/device/idle_power_w"

    def test_the_radio_draws_more_than_it_radiates(self, resolver: Resolver) -> None:
        radio = {"active_power_w": 1.9, "energy_j_per_bit": 1e-8}
        users = [
            a_user(device=a_device(radio=radio), tx_power_w=0.1),
            a_user(id="other", tx_power_w=0.3),
        ]
        problem = cell(resolver, a_cell(*users)).problem
        assert problem.tx_power_w.tolist() == [0.1, 0.3]
        assert problem.radio_power_w is not None
        assert problem.radio_power_w.tolist() == [1.9, 0.3]
        per_bit = problem.workloads.energy_j_per_bit[problem.workload]
        assert per_bit.tolist() == [1e-8, 0.0]


class TestChannel:
    """What the radio reaches, and what comes back."""

    def test_the_rate_law(self, resolver: Resolver) -> None:
        law = {"efficiency": 0.4, "max_bps_per_hz": 2.0, "snr_gap_db": 3.0}
        found = cell(resolver, a_cell(channel=a_channel(rate_law=law))).problem.rate_law
        assert found == RateLaw(efficiency=0.4, max_bps_per_hz=2.0, snr_gap=10.0**0.3)

    def test_results_come_back_where_they_are_made_elsewhere(self, resolver: Resolver) -> None:
        body = a_cell(a_user(model=a_model(result_byte=500)), channel=a_channel(downlink_bps=2e7))
        problem = cell(resolver, body).problem
        assert problem.downlink_bps == 2e7
        assert problem.workloads.result_bit.tolist() == [4000.0, 4000.0, 4000.0, 0.0]


class TestCodecs:
    """Beside the plain tensor, after it, and only what the user accepts."""

    def test_a_codec_is_a_row(self, resolver: Resolver) -> None:
        found = cell(resolver, a_cell(a_user(model=coded(), max_loss=0.02)))
        work = found.problem.workloads
        assert work.cut.tolist() == [0, 0, 1, 2, 3]
        assert found.meanings.codec.tolist() == [-1, 0, -1, -1, -1]
        assert found.meanings.codecs == ("jpeg-75",)
        assert work.crossing_bit[:2].tolist() == [8.0 * 150_528, 8.0 * 12_000]
        assert work.crossing_most_bit[:2].tolist() == [8.0 * 150_528, 8.0 * 20_000]
        assert work.cycles[:2].tolist() == [0.0, 1e6]
        assert work.overhead_s[:2].tolist() == [0.0, 0.002]
        assert work.device_variance_s2[:2].tolist() == [0.0, 1e-8]
        assert work.server_mean_s[:2] == pytest.approx([0.003, 0.006])
        assert work.loss[:2].tolist() == [0.0, 0.01]
        assert found.problem.max_loss is not None
        assert found.problem.max_loss.tolist() == [0.02]

    def test_quantization_is_the_short_form(self, resolver: Resolver) -> None:
        first, second, *others = a_model()["cuts"]
        quantized = second | {
            "feature_elements": 24_000,
            "quantization": [
                {"bits": 8, "loss": 0.0},
                {"bits": 4, "loss": 0.03},
                {"bits": 32, "loss": 0.0},
            ],
        }
        model = a_model(cuts=[first, quantized, *others])
        for max_loss, names in ((None, ["8-bit"]), (0.1, ["8-bit", "4-bit"])):
            user = a_user(model=model, max_loss=max_loss)
            found = cell(resolver, a_cell(user))
            assert list(found.meanings.codecs) == names, "32 bits send no less than the tensor"
            coded = found.meanings.codec >= 0
            bits = [24_000.0 * int(name.split("-")[0]) for name in names]
            assert found.problem.workloads.crossing_bit[coded].tolist() == bits

    def test_nothing_lossy_is_sent_unasked(self, resolver: Resolver) -> None:
        silent, careful = a_user(model=coded()), a_user(id="b", model=coded(), max_loss=0.0)
        for user in (silent, careful):
            assert len(cell(resolver, a_cell(user)).problem.workloads.cut) == 4
        accepting = a_user(id="c", model=coded(), max_loss=0.5)
        problem = cell(resolver, a_cell(silent, accepting)).problem
        assert np.diff(problem.workloads.first)[problem.workload].tolist() == [4, 5]
        assert problem.max_loss is not None
        assert problem.max_loss.tolist() == [0.0, 0.5]

    def test_a_coding_time_without_a_worst_is_left_out_of_the_worst_case(
        self, resolver: Resolver
    ) -> None:
        steady = [{**cut, "variance_s2": 0.0} for cut in a_timing()["cuts"]]
        after = [{**cut, "variance_s2": 0.0} for cut in a_server_timing()["cuts"]]
        user = {
            "device_timing": a_timing(cuts=steady),
            "server_timing": a_server_timing(cuts=after),
            "max_loss": 0.1,
        }
        worst = {"margin": "worst_case"}
        for variance, rows in ((1e-8, 4), (0.0, 5)):
            some = a_user(model=coded(variance_s2=variance), **user)
            assert len(cell(resolver, a_cell(some, options=worst)).problem.workloads.cut) == rows

    def test_what_a_codec_rests_on_the_answer_does(self, resolver: Resolver) -> None:
        cell(resolver, a_cell(a_user(model=coded())))
        assert not resolver.figures
        cell(resolver, a_cell(a_user(model=coded(), max_loss=0.1)))
        assert resolver.figures == {"analytic"}


class TestServers:
    """Several for a user, tiers behind them, and budgets where users stream."""

    def test_each_of_several_is_a_row(self, resolver: Resolver) -> None:
        user = a_user(servers=[NEAR, FAR], server_timing=None)
        found = cell(resolver, a_cell(user, server=None))
        work = found.problem.workloads
        assert work.cut.tolist() == [0, 0, 1, 1, 2, 2, 3], "nothing crosses the last cut"
        assert [server.ref for server in found.servers] == ["inline:near", "inline:far"]
        assert found.meanings.host.tolist() == [0, 1, 0, 1, 0, 1, -1]
        assert work.server_mean_s[:2].tolist() == [2e8 / 1e12, 2e8 / 8e12]

    def test_a_timing_is_of_the_server_it_was_measured_on(self, resolver: Resolver) -> None:
        timing = a_server_timing(processor="far")
        user = a_user(servers=[NEAR, FAR], server_timing=timing)
        found = cell(resolver, a_cell(user, server=None))
        refs = [server.ref for server in found.servers]
        far = found.meanings.host == refs.index("inline:far")
        assert found.problem.workloads.server_mean_s[far].tolist() == [0.003, 0.0022, 0.0008]
        assert found.problem.workloads.server_mean_s[~far][0] == 2e8 / 1e12

    def test_a_tier_offers_a_second_cut(self, resolver: Resolver) -> None:
        """Held against every second cut, written out."""
        timing = a_server_timing(
            cuts=[{"mean_s": 0.004 - 0.001 * m, "variance_s2": 1e-9 * (4 - m)} for m in range(4)]
        )
        found = cell(resolver, a_cell(a_user(server_timing=timing), tiers=[CLOUD]))
        work, meanings, cuts = found.problem.workloads, found.meanings, a_model()["cuts"]
        told = {}
        for row in range(len(work.cut)):
            cut, second = int(work.cut[row]), int(meanings.tier_cut[row])
            told[cut, second] = float(work.server_mean_s[row])
        for cut in range(3):
            assert told[cut, -1] == 0.004 - 0.001 * cut
            behind = {
                second: 0.001 * (second - cut)
                + 8.0 * cuts[second]["feature_byte"] / 1e9
                + 0.005
                + (2e8 - cuts[second]["flop"]) / 2e13
                for second in range(cut, 3)
            }
            for second, mean_s in behind.items():
                if (cut, second) in told:
                    assert told[cut, second] == pytest.approx(mean_s)
            kept = {second for first, second in told if first == cut and second >= 0}
            # Of second cuts that vary the same only the fastest is of use.
            later = {second: mean_s for second, mean_s in behind.items() if second > cut}
            assert kept == {cut, *([min(later, key=lambda k: later[k])] if later else [])}
        assert told[3, -1] == 0.001
        assert meanings.tier[meanings.tier >= 0].tolist() == [1] * int((meanings.tier >= 0).sum())

    def test_streams_give_servers_a_budget(self, resolver: Resolver) -> None:
        near, far = NEAR | {"parallel": 2}, FAR | {"parallel": 4, "max_utilisation": 0.5}
        endless = a_server(name="endless")
        user = a_user(servers=[near, endless, far], server_timing=None, rate_hz=10.0)
        found = cell(resolver, a_cell(user, server=None))
        problem = found.problem
        assert problem.rate_hz is not None
        assert problem.rate_hz.tolist() == [10.0]
        assert problem.server_capacity == (0.7 * 2, 0.5 * 4)
        assert problem.workloads.server_load_s[:3].tolist() == [
            [2e8 / 1e12, 0.0],
            [0.0, 0.0],
            [0.0, 2e8 / 8e12],
        ]
        assert [server.ref for server in found.budgeted] == ["inline:near", "inline:far"]
        assert found.load_s[1].tolist() == [0.0, 2e8 / 4e12, 0.0]

    def test_a_tier_loads_both_servers(self, resolver: Resolver) -> None:
        tier = CLOUD | {"server": CLOUD["server"] | {"parallel": 1}}
        user = a_user(rate_hz=5.0, server_timing=None)
        server = a_server(parallel=1)
        found = cell(resolver, a_cell(user, server=server, tiers=[tier]))
        work, cuts = found.problem.workloads, a_model()["cuts"]
        assert work.server_load_s.shape == (len(work.cut), 2)
        for row, second in enumerate(found.meanings.tier_cut.tolist()):
            if second >= 0:
                first_flop = cuts[second]["flop"] - cuts[int(work.cut[row])]["flop"]
                rest_flop = cuts[-1]["flop"] - cuts[second]["flop"]
                assert work.server_load_s[row] == pytest.approx(
                    [first_flop / 4e12, rest_flop / 2e13]
                )

    def test_without_rates_a_server_is_endless(self, resolver: Resolver) -> None:
        found = cell(resolver, a_cell(server=a_server(parallel=2)))
        assert found.problem.server_capacity == ()
        assert found.problem.workloads.server_load_s.shape == (4, 0)


STREAM = a_user(rate_hz=5.0)
CELLS = [{"id": "north"}, {"id": "south"}]
REFUSED: dict[str, tuple[Body, list[str]]] = {
    "a rate of some users only": (a_cell(STREAM, a_user(id="b")), ["/users/1/rate_hz"]),
    "a rate of nothing": (a_cell(a_user(rate_hz=0.0)), ["/users/0/rate_hz"]),
    "a loss beyond all": (a_cell(a_user(max_loss=1.5)), ["/users/0/max_loss"]),
    "no servers at all": (a_cell(a_user(servers=[])), ["/users/0/servers"]),
    "a server twice": (a_cell(a_user(servers=[NEAR, NEAR])), ["/users/0/servers/1"]),
    "no server anywhere": (
        {k: v for k, v in a_cell(a_user(servers=[NEAR]), a_user(id="b")).items() if k != "server"},
        ["/server"],
    ),
    "a tier that is the server": (
        a_cell(tiers=[CLOUD | {"server": a_server()}]),
        ["/tiers/0/server"],
    ),
    "a tier that is one of the servers": (
        a_cell(a_user(servers=[NEAR, FAR], server_timing=None), tiers=[CLOUD | {"server": FAR}]),
        ["/tiers/0/server"],
    ),
    "a tier twice": (a_cell(tiers=[CLOUD, CLOUD]), ["/tiers/1/server"]),
    "a line without a rate": (
        a_cell(tiers=[CLOUD | {"backhaul_bps": 0.0}]),
        ["/tiers/0/backhaul_bps"],
    ),
    "a timing of none of the servers": (
        a_cell(a_user(servers=[NEAR, FAR])),
        ["/users/0/server_timing"],
    ),
    "two servers of one name": (
        a_cell(
            a_user(servers=[NEAR], server_timing=None),
            a_user(id="b", servers=[NEAR | {"parallel": 2}], server_timing=None),
        ),
        ["/users/1/servers/0"],
    ),
    "a budget that cells share": (
        a_cell(
            STREAM | {"cell": "north"},
            STREAM | {"id": "b", "cell": "south"},
            cells=CELLS,
            server=a_server(parallel=2),
        ),
        ["/server"],
    ),
    "an energy of another kind": (a_cell(options={"energy": "all"}), ["/options/energy"]),
    "a codec where nothing crosses": (
        a_cell(
            a_user(
                model=a_model(
                    cuts=[*a_model()["cuts"][:3], a_model()["cuts"][3] | {"codecs": [JPEG]}]
                )
            )
        ),
        ["/users/0/model/cuts/3/codecs"],
    ),
}


@pytest.mark.parametrize(("body", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused(
    resolver: Resolver, body: Body, expected: list[str]
) -> None:
    try:
        with pytest.raises(InvalidRequest) as refused:
            cell(resolver, body)
        found = list(refused.value.errors)
    except ValidationError as invalid:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in invalid.errors()]
        found = field_errors(errors, body)
    assert [fault.pointer for fault in found] == expected
    assert all(fault.detail for fault in found)


@pytest.mark.slow
def test_options_beyond_counting_are_refused(resolver: Resolver) -> None:
    cuts = [
        {"name": str(m), "flop": 1000 * m, "feature_byte": 5000 - m, "parameter_byte": 0}
        for m in range(1000)
    ]
    entries = [{"flop_per_cycle": 4.0, "variance_s2": 0.0}] * 1000
    after = [{"mean_s": 1.0 - 1e-3 * m, "variance_s2": 1e-6 * (2000 - m)} for m in range(1000)]
    user = a_user(
        model=a_model(cuts=cuts),
        device_timing=a_timing(cuts=entries),
        server_timing=a_server_timing(cuts=after),
    )
    user["device"] = a_device(frequency_levels_hz=[4e8 + 1e6 * k for k in range(100)])
    body = a_cell(user, tiers=[CLOUD, CLOUD | {"server": NEAR}])
    with pytest.raises(InvalidRequest) as refused:
        cell(resolver, body)
    assert [fault.pointer for fault in refused.value.errors] == ["/users/0/model"]
