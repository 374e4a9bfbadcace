"""Logs of `tegrastats`, the meter of NVIDIA's Jetson boards.

Both forms are read: `VDD_IN 5861mW/5861mW … GR3D_FREQ 91%@[1005]` and, of older systems,
`VDD_IN 4561/4561 … GR3D_FREQ 91%@1005`; the first number is the present reading, the second the
mean since the log began.
"""

import re

from app.measurements.power.logs.lines import (
    LARGEST_CLOCK_HZ,
    LEAST_CLOCK_HZ,
    How,
    Stretch,
    enough,
    refusal,
    some,
    stretches,
)
from app.measurements.power.sheet import Collected, PowerSheet

# What a board has one of, whichever came first, measures all of its module.
WHOLE_RAILS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0", "VIN")
_RAIL = re.compile(r"(?<!\S)([A-Z][A-Z0-9_]*) (\d{1,7})(?:mW)?/(\d{1,7})(?:mW)?(?!\S)")
_GPU = re.compile(r"(?<!\S)GR3D_FREQ (\d{1,3})%(?:@\[?([\d,]{1,40})\]?)?(?!\S)")
_CPU = re.compile(r"(?<!\S)CPU \[([^\]]{1,600})\](?:@(\d{1,5}))?")
_CORE = re.compile(r"(\d{1,3})%(?:@(\d{1,5}))?")


def read_tegrastats(body: bytes, how: How) -> PowerSheet:
    """Powers of a rail while the GPU (or a core of the CPU) was busy, at the clock of each line.

    Raises InvalidRequest.
    """
    collected, rail = Collected(), how.rail
    for number, line, stretch in stretches(body, how):
        rails = {name: int(now) for name, now, _ in _RAIL.findall(line)}
        if not rails:
            raise refusal(
                number,
                "has no power of a rail, such as VDD_IN 5861mW/5861mW: delete it if it was cut off",
            )
        rail = rail or next((name for name in WHOLE_RAILS if name in rails), None)
        if rail not in rails:
            wanted = "says none of the whole board" if rail is None else f"has no rail {rail!r}"
            raise refusal(number, f"{wanted}: say rail, one of {', '.join(sorted(rails))}")
        load, mhz = _gpu(number, line) if how.clock == "gpu" else _cpu(number, line)
        clock_hz = _clock(number, stretch, mhz, how)
        if stretch.idle or load >= how.busy_percent:
            told = {} if stretch.time_s is None else {"time_s": stretch.time_s}
            told |= {"frequency_hz": clock_hz, "power_w": 1e-3 * rails[rail]}
            collected.add(stretch.workload, stretch.name, number, told)
            enough(collected, number)
        else:
            collected.dropped += 1
    what = f"line in which the {how.clock.upper()} was at least {how.busy_percent:g} % busy"
    return some(collected, what).sheet(part_of_device=rail not in WHOLE_RAILS)


def _gpu(number: int, line: str) -> tuple[float, float | None]:
    """Load in per cent, and the clock in MHz where it is said."""
    found = _GPU.search(line)
    if found is None:
        raise refusal(
            number, "has no GR3D_FREQ such as 91%@[1005]: say clock=cpu, or delete the line"
        )
    clocks = [int(clock) for clock in (found[2] or "").split(",") if clock]
    return float(found[1]), float(max(clocks)) if clocks else None


def _cpu(number: int, line: str) -> tuple[float, float | None]:
    """Load of the busiest core in per cent, and its clock in MHz where it is said."""
    found = _CPU.search(line)
    cores = [_CORE.fullmatch(core.strip()) for core in found[1].split(",")] if found else []
    working = [(int(core[1]), int(core[2] or found[2] or 0)) for core in cores if core and found]
    if not working:
        raise refusal(number, "has no CPU [load%@MHz,…]: delete it if it was cut off")
    load, mhz = max(working)
    return float(load), float(mhz) if mhz else None


def _clock(number: int, stretch: Stretch, mhz: float | None, how: How) -> float:
    if stretch.frequency_hz is not None:
        return stretch.frequency_hz
    if mhz is None or not LEAST_CLOCK_HZ <= 1e6 * mhz <= LARGEST_CLOCK_HZ:
        raise refusal(
            number,
            f"does not say the clock of the {how.clock.upper()}: say frequency_hz, or begin the run"
            " with `# run frequency_hz=…`",
        )
    return 1e6 * mhz
