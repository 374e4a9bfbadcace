"""What `powerstat` prints: watts of the whole machine (battery) or of its packages (RAPL).

A row for each interval under a heading in which `Watts` stands, then means and a summary, which are
not samples. With `-f` a row ends with the mean clock of the cores.
"""

import re

from app.measurements.power.logs.lines import (
    LARGEST_CLOCK_HZ,
    LARGEST_POWER_W,
    LEAST_CLOCK_HZ,
    How,
    enough,
    refusal,
    some,
    stretches,
    within,
)
from app.measurements.power.sheet import Collected, PowerSheet

_TIME = re.compile(r"\d\d?:\d\d:\d\d")
_CLOCK = re.compile(r"(\d+(?:\.\d+)?) ?([kMG]?)Hz")
_UNIT = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def read_powerstat(body: bytes, how: How) -> PowerSheet:
    """The rows of one run of powerstat or several, each at a clock that it or its mark says.

    Rows that powerstat calls estimated (`E`) or knows no power of are left out. Raises
    InvalidRequest.
    """
    collected, place = Collected(), -1
    for number, line, stretch in stretches(body, how):
        words = line.split()
        if "Watts" in words and words[0] == "Time":
            place = words.index("Watts")
        if not _TIME.fullmatch(words[0]):
            continue
        if place < 0:
            raise refusal(number, "comes before a heading with Watts: keep the line above the rows")
        if len(words) <= place:
            raise refusal(number, "ends before its Watts: delete it if it was cut off")
        watts = words[place]
        if watts == "N/A" or watts.endswith("E") or words[place + 1 : place + 2] == ["E"]:
            collected.dropped += 1
            continue
        power = within(number, "Watts", watts, 0.0, LARGEST_POWER_W)
        clock = stretch.frequency_hz
        if clock is None and (found := _CLOCK.search(" ".join(words[place + 1 :]))):
            clock = float(found[1]) * _UNIT[found[2]]
            within(number, "CPU Freq", str(clock), LEAST_CLOCK_HZ, LARGEST_CLOCK_HZ)
        if clock is None and not stretch.idle:
            raise refusal(
                number,
                "does not say its clock: run powerstat with -f, say frequency_hz, or begin the run"
                " with `# run frequency_hz=…`",
            )
        told = {} if stretch.time_s is None else {"time_s": stretch.time_s}
        told |= {} if clock is None else {"frequency_hz": clock}
        collected.add(stretch.workload, stretch.name, number, told | {"power_w": power})
        enough(collected, number)
    return some(collected, "row of powerstat (10:20:31 … Watts)").sheet()
