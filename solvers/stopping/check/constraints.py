"""What a plan of the stopping family must keep, and figures of it that must agree."""

from enum import StrEnum


class Constraint(StrEnum):
    """What a decision can break."""

    BEST_FIXED = "best_fixed"
    BEST_PLACEMENT = "best_placement"
    CLAIRVOYANT = "clairvoyant"
    DEVICE_ONLY = "device_only"
    EDGE_ONLY = "edge_only"
    ENERGY_J = "energy_j"
    ENERGY_PARTS = "energy_parts"
    FIXED_PLACEMENT = "fixed_placement"
    LOOK_AHEAD = "look_ahead"
    MEMORY = "memory"
    OPTIMALITY = "optimality"
    PLACEMENT = "placement"
    PLACEMENT_BIT = "placement_bit"
    PLACEMENT_COST = "placement_cost"
    RUNNING_COST = "running_cost"
    RUNNING_CURVE = "running_curve"
    SMALLER_PLACEMENT_ON_TIES = "smaller_placement_on_ties"
    STOP_PROBABILITY = "stop_probability"
    STOP_PROBABILITY_SUM = "stop_probability_sum"
    THRESHOLD = "threshold"
    TIME_S = "time_s"
