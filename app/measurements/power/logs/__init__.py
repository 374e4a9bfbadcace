"""Files of energies and powers as meters and boards write them, read line by line.

Pure Python over lines of bounded length, so a hostile file costs what its length costs.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from app.measurements.power.logs.columns import read_columns
from app.measurements.power.logs.lines import How
from app.measurements.power.logs.powerstat import read_powerstat
from app.measurements.power.logs.rapl import read_rapl
from app.measurements.power.logs.tegrastats import read_tegrastats
from app.measurements.power.sheet import PowerSheet

Form = Literal["csv", "rapl", "powerstat", "tegrastats"]
FORMS: dict[Form, Callable[[bytes, How], PowerSheet]] = {
    "csv": read_columns,
    "rapl": read_rapl,
    "powerstat": read_powerstat,
    "tegrastats": read_tegrastats,
}


def joined(files: Sequence[Path], idle: Sequence[Path] = ()) -> bytes:
    """Logs as one, each file a run of its own; those of the idle device first."""
    parts = [b"# idle\n" + file.read_bytes() for file in idle]
    parts += [f"# run {_name(file)}\n".encode() + file.read_bytes() for file in files]
    return b"\n".join(parts)


def _name(file: Path) -> str:
    return re.sub(r"[\s=]", "_", file.stem)
