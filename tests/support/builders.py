"""Valid bodies of every kind; what a test cares about is said by name."""

from typing import Any

Body = dict[str, Any]


def a_device(**fields: Any) -> Body:
    """A small CPU with a radio of 0.2 W: 1 W at 1 GHz."""
    return {
        "name": "camera-cpu",
        "processor": "cpu",
        "frequency_min_hz": 2.0e8,
        "frequency_max_hz": 1.0e9,
        "power_coefficient_w_per_hz3": 1.0e-27,
        "tx_power_w": 0.2,
        "provenance": "measured",
        **fields,
    }


def a_metered_device(**fields: Any) -> Body:
    """The same device with its power law fitted and its radio measured: nothing to doubt."""
    cubic = a_device()
    law = {
        "power_coefficient": cubic.pop("power_coefficient_w_per_hz3"),
        "power_exponent": 3.0,
        "radio": {"active_power_w": cubic["tx_power_w"]},
    }
    return cubic | law | fields


def a_model(**fields: Any) -> Body:
    """A network of three layers, so four cuts."""
    return {
        "name": "small-net",
        "cuts": [
            {
                "name": "input",
                "flop": 0,
                "feature_byte": 150_528,
                "feature_elements": 150_528,
                "parameter_byte": 0,
            },
            {"name": "conv1", "flop": 60_000_000, "feature_byte": 96_000, "parameter_byte": 40_000},
            {
                "name": "conv2",
                "flop": 180_000_000,
                "feature_byte": 24_000,
                "parameter_byte": 900_000,
            },
            {"name": "fc", "flop": 200_000_000, "feature_byte": 0, "parameter_byte": 12_000_000},
        ],
        "provenance": "analytic",
        **fields,
    }


def a_server(**fields: Any) -> Body:
    """A server of 4 TFLOP/s."""
    return {"name": "edge-gpu", "capacity_flop_per_s": 4.0e12, "provenance": "measured", **fields}


def a_channel(**fields: Any) -> Body:
    """10 MHz of an LTE-like macro cell with Rayleigh fading."""
    return {
        "name": "cell",
        "bandwidth_hz": 1.0e7,
        "noise_psd_dbm_per_hz": -174.0,
        "path_loss": {"intercept_db": 15.3, "exponent": 3.76},
        "fading": {"kind": "rayleigh"},
        "provenance": "analytic",
        **fields,
    }


def a_timing(**fields: Any) -> Body:
    """The time of `a_device` on `a_model`: 4 FLOP per cycle, a spread that grows along the
    network.
    """
    return {
        "name": "camera-cpu.small-net",
        "processor": "camera-cpu",
        "processor_kind": "device",
        "model": "small-net",
        "cuts": [
            {"flop_per_cycle": 4.0, "variance_s2": 0.0},
            {"flop_per_cycle": 4.0, "overhead_s": 0.001, "variance_s2": 1.0e-6},
            {"flop_per_cycle": 4.0, "overhead_s": 0.002, "variance_s2": 4.0e-6},
            {"flop_per_cycle": 3.8, "overhead_s": 0.002, "variance_s2": 5.0e-6},
        ],
        "provenance": "measured",
        **fields,
    }


def a_server_timing(**fields: Any) -> Body:
    """The time of `a_server` on the rest of `a_model`."""
    return {
        "name": "edge-gpu.small-net",
        "processor": "edge-gpu",
        "processor_kind": "server",
        "model": "small-net",
        "cuts": [
            {"mean_s": 0.0030, "variance_s2": 1.0e-8},
            {"mean_s": 0.0022, "variance_s2": 1.0e-8},
            {"mean_s": 0.0008, "variance_s2": 1.0e-8},
            {"mean_s": 0.0, "variance_s2": 0.0},
        ],
        "provenance": "measured",
        **fields,
    }
