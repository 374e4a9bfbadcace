"""What a profile may say, and what in it smells."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.problems import field_errors
from app.profiles.plausibility import warnings_of
from app.profiles.schemas import SCHEMAS, Channel, Device, DeviceRef, Model, PathLoss, Profile, Server, Timing
from tests.support.builders import a_channel, a_device, a_model, a_server, a_server_timing, a_timing

VALID = [a_device(), a_model(), a_channel(), a_server(), a_timing(), a_server_timing()]


def schema_of(body: dict[str, Any]) -> type[Profile]:
    for field, schema in (("tx_power_w", Device), ("capacity_flop_per_s", Server), ("bandwidth_hz", Channel)):
        if field in body:
            return schema
    return Timing if "processor" in body else Model


def faults(body: dict[str, Any]) -> set[str]:
    """The pointers of everything wrong with `body`."""
    try:
        schema_of(body).model_validate(body)
    except ValidationError as error:
        return {
            fault.pointer for fault in field_errors([{**e, "loc": ("body", *e["loc"])} for e in error.errors()], body)
        }
    return set()


def warned(body: dict[str, Any]) -> set[str]:
    return {warning.field for warning in warnings_of(schema_of(body).model_validate(body))}


def cuts(count: int = 4, **changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The cuts of `a_model`, some changed: cuts(_1={"flop": 0})."""
    entries = [dict(cut) for cut in a_model()["cuts"][:count]]
    for at, fields in changes.items():
        entries[int(at[1:])].update(fields)
    return entries


def entries(form: Any = a_timing, **changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of a timing, some changed; None takes a field out."""
    changed = [dict(cut) for cut in form()["cuts"]]
    for at, fields in changes.items():
        changed[int(at[1:])].update(fields)
    return [{field: value for field, value in cut.items() if value is not None} for cut in changed]


LEVELS = [
    {"frequency_hz": 2e8, "mean_s": 0.3, "variance_s2": 1e-4},
    {"frequency_hz": 9e8, "mean_s": 0.1, "variance_s2": 0},
]


@pytest.mark.parametrize("body", VALID, ids=lambda body: body["name"])
def test_the_builders_are_valid_and_sane(body: dict[str, Any]) -> None:
    profile = schema_of(body).model_validate(body)
    assert warnings_of(profile) == ()
    assert schema_of(body).model_validate(profile.model_dump(mode="json")) == profile


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.kind)
def test_the_published_examples_are_valid_and_sane(schema: type[Profile]) -> None:
    extra = schema.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    for example in extra["examples"]:  # type: ignore[union-attr]
        assert warnings_of(schema.model_validate(example)) == ()


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (a_device(frequency_max_hz=1e8), {"/frequency_max_hz"}),
        (a_device(frequency_max_hz=2e8), set()),
        (a_device(frequency_levels_hz=[2e8, 5e8, 5e8]), {"/frequency_levels_hz/2"}),
        (a_device(frequency_levels_hz=[1e8, 5e8, 2e9]), {"/frequency_levels_hz/0", "/frequency_levels_hz/2"}),
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
        (a_model(cuts=cuts(_2={"flop": 1, "parameter_byte": 1})), {"/cuts/2/flop", "/cuts/2/parameter_byte"}),
        (a_model(cuts=cuts(_1={"flop": 6e7})), set()),
        (a_model(cuts=cuts(_1={"flop": 6.5})), {"/cuts/1/flop"}),
        (a_model(cuts=cuts(_1={"flop": -1})), {"/cuts/1/flop"}),
        (a_model(cuts=cuts(_1={"flop": 2**64})), {"/cuts/1/flop"}),
        (
            a_model(cuts=cuts(_1={"quantization": [{"bits": 8, "loss": 0.01}, {"bits": 8, "loss": 0.02}]})),
            {"/cuts/1/quantization/1/bits"},
        ),
        (a_model(cuts=cuts(_1={"quantization": [{"bits": 8, "loss": 1.2}]})), {"/cuts/1/quantization/0/loss"}),
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
        (a_channel(fading={"kind": "markov", "rate_bps": [1, 2], "transition": [[1, 0]]}), {"/fading/transition"}),
        (
            a_channel(fading={"kind": "markov", "rate_bps": [1, 2], "transition": [[0.5, 0.4], [0.2, 0.3, 0.5]]}),
            {"/fading/transition/0", "/fading/transition/1"},
        ),
        (a_channel(fading={"kind": "markov", "rate_bps": [1, 2], "transition": [[0.5, 0.5], [0.1, 0.9]]}), set()),
        (a_channel(fading={"kind": "markov", "trace_bps": [1, 2, 3, 2], "states": 3}), set()),
        (a_channel(fading={"kind": "markov", "trace_bps": [1, 2, 2], "states": 3}), {"/fading/states"}),
        (a_channel(rtt_variance_s2=-1), {"/rtt_variance_s2"}),
        (a_server(capacity_flop_per_s=0), {"/capacity_flop_per_s"}),
        (a_timing(cuts=entries(_1={"variance_s2": -1e-9})), {"/cuts/1/variance_s2"}),
        (a_timing(cuts=entries(_1={"variance_s2": None})), {"/cuts/1/variance_s2"}),
        (a_timing(cuts=entries(_1={"flop_per_cycle": None})), {"/cuts/1", "/cuts/1/overhead_s"}),
        (a_timing(cuts=entries(_1={"flop_per_cycle": None, "overhead_s": None, "levels": LEVELS})), set()),
        (a_timing(cuts=entries(_1={"levels": LEVELS[::-1]})), {"/cuts/1/levels/1/frequency_hz"}),
        (a_timing(cuts=entries(_1={"levels": [{**LEVELS[0], "worst_s": 0.2}]})), {"/cuts/1/levels/0/worst_s"}),
        (a_timing(cuts=entries(_1={"mean_s": 0.1})), {"/cuts/1/flop_per_cycle", "/cuts/1/mean_s"}),
        (a_server_timing(cuts=entries(a_server_timing, _1={"worst_s": 0.001})), {"/cuts/1/worst_s"}),
        (a_server_timing(cuts=entries(a_server_timing, _1={"worst_s": 0.0022})), set()),
        (a_server_timing(processor_kind="device"), {f"/cuts/{cut}/mean_s" for cut in range(4)}),
        (a_timing(processor_kind="server"), {f"/cuts/{cut}/mean_s" for cut in range(4)}),
        (a_timing(processor_kind=None), set()),
    ],
)
def test_what_does_not_hold_together_is_pointed_at(body: dict[str, Any], pointers: set[str]) -> None:
    assert faults(body) == pointers


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (a_device(frequency_min_hz=1.2, frequency_max_hz=1.9e9), {"/frequency_min_hz"}),
        (a_device(frequency_max_hz=1.9e10), {"/frequency_max_hz", "/power_coefficient_w_per_hz3"}),
        (a_device(power_coefficient_w_per_hz3=1e-31), {"/power_coefficient_w_per_hz3"}),
        (a_device(power_coefficient_w_per_hz3=1.1e-24), {"/power_coefficient_w_per_hz3"}),
        (a_device(tx_power_w=23), {"/tx_power_w"}),
        (a_device(memory_byte=8), {"/memory_byte"}),
        (a_device(idle_power_w=1500, rx_power_w=1200), {"/idle_power_w", "/rx_power_w"}),
        (a_model(cuts=cuts(_0={"flop": 5})), {"/cuts/0/flop"}),
        (a_model(cuts=cuts(_2={"feature_byte": 10**12})), {"/cuts/2/feature_byte"}),
        (a_channel(bandwidth_hz=10), {"/bandwidth_hz"}),
        (a_channel(bandwidth_hz=1e13), {"/bandwidth_hz"}),
        (a_channel(noise_psd_dbm_per_hz=-204), {"/noise_psd_dbm_per_hz"}),
        (a_channel(noise_psd_dbm_per_hz=-90), {"/noise_psd_dbm_per_hz"}),
        (a_channel(path_loss={"intercept_db": -30.0, "exponent": 3}), {"/path_loss/intercept_db"}),
        (a_channel(rtt_mean_s=20), {"/rtt_mean_s"}),
        (a_channel(downlink_bps=50), {"/downlink_bps"}),
        (a_server(capacity_flop_per_s=4), {"/capacity_flop_per_s"}),
        (a_server(capacity_flop_per_s=4e20), {"/capacity_flop_per_s"}),
        (a_timing(cuts=entries(_1={"flop_per_cycle": 4e9})), {"/cuts/1/flop_per_cycle"}),
        (a_server_timing(cuts=entries(a_server_timing, _0={"mean_s": 4000})), {"/cuts/0/mean_s"}),
        (
            a_timing(cuts=entries(_1={"levels": [{"frequency_hz": 1.2, "mean_s": 0.1, "variance_s2": 0}]})),
            {"/cuts/1/levels/0/frequency_hz"},
        ),
    ],
)
def test_a_smell_of_a_wrong_unit_warns(body: dict[str, Any], fields: set[str]) -> None:
    assert warned(body) == fields


def test_the_gain_falls_with_distance() -> None:
    # 3GPP TR 36.814, macro: 128.1 + 37.6 log10(d_km) dB, which is 15.3 + 37.6 log10(d_m).
    loss = PathLoss(intercept_db=15.3, exponent=3.76)
    assert loss.gain_db(1000.0) == pytest.approx(-128.1)


def test_a_reference_or_the_body() -> None:
    either = TypeAdapter[str | Device](DeviceRef)
    assert either.validate_python("camera-cpu@3") == "camera-cpu@3"
    assert either.validate_python(a_device()) == Device.model_validate(a_device())
    for wrong, words in (
        ("camera-cpu@0", "must match"),
        ("Camera", "must match"),
        (3, "give a profile's name"),
        (None, "give a profile's name"),
        ({"name": "x"}, "is required"),
    ):
        with pytest.raises(ValidationError) as caught:
            either.validate_python(wrong)
        errors = [{**error, "loc": ("body", *error["loc"])} for error in caught.value.errors()]
        assert words in field_errors(errors, wrong)[0].detail


@given(st.floats(min_value=-1e18, max_value=1e18))
def test_integers_are_integral_numbers(value: float) -> None:
    body = a_device(memory_byte=value)
    assert (faults(body) == set()) == (value.is_integer() and 1 <= value <= 2**63 - 1)
