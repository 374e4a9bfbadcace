"""The constraints of a robust plan."""

from enum import StrEnum


class Constraint(StrEnum):
    """What a decision can break."""

    OPTION_SHAPE = "option_shape"
    FREQUENCY_HZ_SHAPE = "frequency_hz_shape"
    BANDWIDTH_HZ_SHAPE = "bandwidth_hz_shape"
    OPTION = "option"
    FREQUENCY_HZ = "frequency_hz"
    BANDWIDTH_HZ = "bandwidth_hz"
    MEMORY = "memory"
    LOSS = "loss"
    CLOCK_MIN = "clock_min"
    CLOCK_MAX = "clock_max"
    DEADLINE = "deadline"
    STAGE = "stage"  # the device or the uplink takes longer than a stream leaves between two
    BANDWIDTH_SIGN = "bandwidth_sign"
    BANDWIDTH = "bandwidth"
    SERVER = "server"
    LOWER_BOUND = "lower_bound"
