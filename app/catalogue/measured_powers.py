"""How the power of processors fell with their clocks, where others measured it above idle: what is
assumed of a device whose power is known at one clock.
"""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockExponent:
    """The exponent α of P(f) = P(f_max) (f/f_max)^α that suits a processor best through its power
    at the highest clock, by least squares of logarithms.
    """

    processor: str
    exponent: float
    frequency_min_hz: float
    frequency_max_hz: float
    reference: str


_PHONE = (
    "draw of a busy phone, unit not stated (NUWiNS/pam2022-5G-mmwave-multi-user-ar-data at 56c419e)"
)

CLOCK_EXPONENTS = tuple(
    ClockExponent(
        processor=processor,
        exponent=exponent,
        frequency_min_hz=low_mhz * 1e6,
        frequency_max_hz=high_mhz * 1e6,
        reference=reference,
    )
    for processor, exponent, low_mhz, high_mhz, reference in (
        (
            "Jetson Orin Nano GPU",
            0.75,
            611,
            1007,
            "board above idle, tegrastats while a language model decodes (dankang21/"
            "jetson-latency-lab at 0970a90)",
        ),
        ("phone, little core", 1.70, 300, 1805, _PHONE),
        ("phone, middle core", 2.33, 653, 2093, _PHONE),
        ("phone, big core", 1.08, 806, 2400, _PHONE),
        ("phone GPU", 0.84, 275, 625, _PHONE),
        (
            "Syntiant NDP9120",
            1.23,
            30.7,
            98.7,
            "chip, MLPerf Tiny v1.3, energies of three networks (mlcommons/tiny_results_v1.3 at"
            " cd605ea)",
        ),
    )
)


def assumed_exponent() -> float:
    """The middle of them."""
    return round(median(each.exponent for each in CLOCK_EXPONENTS), 2)


def exponent_span() -> tuple[float, float]:
    """The least and the largest of them."""
    exponents = [each.exponent for each in CLOCK_EXPONENTS]
    return min(exponents), max(exponents)
