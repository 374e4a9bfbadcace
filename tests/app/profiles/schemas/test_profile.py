"""Every kind of profile: what holds together, and what is pointed at where it does not."""

import math
from typing import Any

import pytest

from app.profiles.plausibility import warnings_of
from tests.support.builders import a_channel, a_device, a_model, a_server, a_server_timing, a_timing
from tests.support.profiles import LEVELS, cuts, entries, faults, schema_of

VALID = [a_device(), a_model(), a_channel(), a_server(), a_timing(), a_server_timing()]


@pytest.mark.parametrize("body", VALID, ids=lambda body: body["name"])
def test_the_builders_are_valid_and_sane(body: dict[str, Any]) -> None:
    profile = schema_of(body).model_validate(body)
    assert warnings_of(profile) == ()
    assert schema_of(body).model_validate(profile.model_dump(mode="json")) == profile


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (a_device(frequency_max_hz=1e8), {"/frequency_max_hz"}),
        (a_device(frequency_max_hz=2e8), set()),
        (a_device(frequency_levels_hz=[2e8, 5e8, 5e8]), {"/frequency_levels_hz/2"}),
        (
            a_device(frequency_levels_hz=[1e8, 5e8, 2e9]),
            {"/frequency_levels_hz/0", "/frequency_levels_hz/2"},
        ),
        (a_device(frequency_levels_hz=[2e8, 5e8, 1e9]), set()),
        (a_device(frequency_levels_hz=[]), {"/frequency_levels_hz"}),
        (a_device(provenance="published"), {"/reference"}),
        (a_device(provenance="published", reference="data sheet, table 3"), set()),
        (a_device(power_coefficient_w_per_hz3=0), {"/power_coefficient_w_per_hz3"}),
        (a_device(tx_power_w=-1), {"/tx_power_w"}),
        (a_device(memory_byte=1.5), {"/memory_byte"}),
        (a_device(memory_byte=4e9), set()),
        (a_device(tx_power_w=math.nan), {"/tx_power_w"}),
        (a_device(tx_power_w=10**400), {"/tx_power_w"}),
        (a_device(name="a" * 64), {"/name"}),
        (a_device(name="-a"), {"/name"}),
        (a_device(name="a\n"), {"/name"}),
        (a_model(cuts=cuts(1)), {"/cuts"}),
        (a_model(cuts=cuts(2)), set()),
        (
            a_model(cuts=cuts(_2={"flop": 1, "parameter_byte": 1})),
            {"/cuts/2/flop", "/cuts/2/parameter_byte"},
        ),
        (a_model(cuts=cuts(_1={"flop": 6e7})), set()),
        (a_model(cuts=cuts(_1={"flop": 6.5})), {"/cuts/1/flop"}),
        (a_model(cuts=cuts(_1={"flop": -1})), {"/cuts/1/flop"}),
        (a_model(cuts=cuts(_1={"flop": 2**64})), {"/cuts/1/flop"}),
        (
            a_model(
                cuts=cuts(
                    _1={"quantization": [{"bits": 8, "loss": 0.01}, {"bits": 8, "loss": 0.02}]}
                )
            ),
            {"/cuts/1/quantization/1/bits"},
        ),
        (
            a_model(cuts=cuts(_1={"quantization": [{"bits": 8, "loss": 1.2}]})),
            {"/cuts/1/quantization/0/loss"},
        ),
        (a_model(source_sha256="xyz"), {"/source_sha256"}),
        (a_channel(bandwidth_hz=0), {"/bandwidth_hz"}),
        (a_channel(fading={"kind": "nakagami", "m": 0.4}), {"/fading/m"}),
        (a_channel(fading={"kind": "nakagami", "m": 0.5}), set()),
        (a_channel(fading={"kind": "lognormal", "std_db": -1}), {"/fading/std_db"}),
        (a_channel(fading={"kind": "rayleigh", "m": 1}), {"/fading/m"}),
        (a_channel(fading={"kind": "trace"}), {"/fading"}),
        (a_channel(fading={"kind": "trace", "rate_bps": [1], "snr_db": [1]}), {"/fading"}),
        (a_channel(fading={"kind": "trace", "rate_bps": []}), {"/fading/rate_bps"}),
        (a_channel(fading={"kind": "trace", "rate_bps": [1, -1]}), {"/fading/rate_bps/1"}),
        (a_channel(fading={"kind": "trace", "snr_db": [-3, 20]}), set()),
        (a_channel(fading={"kind": "markov", "rate_bps": [1, 2]}), {"/fading"}),
        (
            a_channel(fading={"kind": "markov", "rate_bps": [1, 2], "transition": [[1, 0]]}),
            {"/fading/transition"},
        ),
        (
            a_channel(
                fading={
                    "kind": "markov",
                    "rate_bps": [1, 2],
                    "transition": [[0.5, 0.4], [0.2, 0.3, 0.5]],
                }
            ),
            {"/fading/transition/0", "/fading/transition/1"},
        ),
        (
            a_channel(
                fading={
                    "kind": "markov",
                    "rate_bps": [1, 2],
                    "transition": [[0.5, 0.5], [0.1, 0.9]],
                }
            ),
            set(),
        ),
        (a_channel(fading={"kind": "markov", "trace_bps": [1, 2, 3, 2], "states": 3}), set()),
        (
            a_channel(fading={"kind": "markov", "trace_bps": [1, 2, 2], "states": 3}),
            {"/fading/states"},
        ),
        (a_channel(rtt_variance_s2=-1), {"/rtt_variance_s2"}),
        (a_server(capacity_flop_per_s=0), {"/capacity_flop_per_s"}),
        (a_timing(cuts=entries(_1={"variance_s2": -1e-9})), {"/cuts/1/variance_s2"}),
        (a_timing(cuts=entries(_1={"variance_s2": None})), {"/cuts/1/variance_s2"}),
        (a_timing(cuts=entries(_1={"flop_per_cycle": None})), {"/cuts/1", "/cuts/1/overhead_s"}),
        (
            a_timing(
                cuts=entries(_1={"flop_per_cycle": None, "overhead_s": None, "levels": LEVELS})
            ),
            set(),
        ),
        (a_timing(cuts=entries(_1={"levels": LEVELS[::-1]})), {"/cuts/1/levels/1/frequency_hz"}),
        (
            a_timing(cuts=entries(_1={"levels": [{**LEVELS[0], "worst_s": 0.2}]})),
            {"/cuts/1/levels/0/worst_s"},
        ),
        (a_timing(cuts=entries(_1={"mean_s": 0.1})), {"/cuts/1/flop_per_cycle", "/cuts/1/mean_s"}),
        (
            a_server_timing(cuts=entries(a_server_timing, _1={"worst_s": 0.001})),
            {"/cuts/1/worst_s"},
        ),
        (a_server_timing(cuts=entries(a_server_timing, _1={"worst_s": 0.0022})), set()),
        (a_server_timing(processor_kind="device"), {f"/cuts/{cut}/mean_s" for cut in range(4)}),
        (a_timing(processor_kind="server"), {f"/cuts/{cut}/mean_s" for cut in range(4)}),
        (a_timing(processor_kind=None), set()),
    ],
)
def test_what_does_not_hold_together_is_pointed_at(
    body: dict[str, Any], pointers: set[str]
) -> None:
    assert faults(body) == pointers
