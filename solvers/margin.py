"""The margins a robust plan may keep; what each amounts to, solver and check say by themselves."""

from enum import StrEnum


class Margin(StrEnum):
    """What stands between the mean delay and the deadline."""

    CANTELLI = "cantelli"
    GAUSSIAN = "gaussian"
    UNIMODAL = "unimodal"
    MEAN = "mean"
    WORST_CASE = "worst_case"
    MEASURED = "measured"  # a bound of each option's time that its own samples prove


# Margins that are a factor of a deviation, the widest first.
BY_MOMENTS = (Margin.CANTELLI, Margin.UNIMODAL, Margin.GAUSSIAN)
# Margins that are a number of each option, not a factor of a deviation.
OF_OPTIONS = frozenset({Margin.WORST_CASE, Margin.MEASURED})
