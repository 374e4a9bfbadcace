"""The constraints of a multi-user plan and of a decision table."""

from enum import StrEnum


class Constraint(StrEnum):
    """What a decision can break."""

    ONE_ROW_PER_USER = "one row per user"
    OPTION = "option"
    SHARES_ARE_NUMBERS = "shares are numbers"
    BANDWIDTH_SHARE_AT_LEAST_0 = "bandwidth_share >= 0"
    SERVER_SHARE_AT_LEAST_0 = "server_share >= 0"
    BANDWIDTH = "bandwidth"
    SERVER = "server"
    LATENCY = "latency"
    DEADLINE = "deadline"
    MAX_LOSS = "max_loss"
    MAX_SWITCHES = "max_switches"
    LOWER_BOUND = "lower_bound"
    ROWS_RISE_FROM_0_WITHOUT_GAPS = "rows rise from 0 without gaps"
    NOTHING_FITS = "nothing fits"
    LIMITS = "limits"
    BEST_OPTION = "best option"
