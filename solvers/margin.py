"""The margins a robust plan may keep; what each amounts to, solver and check say by themselves."""

from enum import StrEnum


class Margin(StrEnum):
    """What stands between the mean delay and the deadline."""

    CANTELLI = "cantelli"
    GAUSSIAN = "gaussian"
    UNIMODAL = "unimodal"
    MEAN = "mean"
    WORST_CASE = "worst_case"
