"""Profiles from what other tools measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from app.catalogue.blocks import FLOAT32_BYTE, TableFault, TimedBlocks, read_blocks
from app.catalogue.tools.lines import FileFault, lines_of
from app.catalogue.tools.operators import OperatorTimes, ends_of_cuts
from app.errors import ConfigurationError
from app.field_errors import validated
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.model import Model, ModelCut
from app.profiles.schemas.profile import Provenance
from app.profiles.schemas.timing import Timing
from solvers.arrays import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What ran: a processor with its clock (a server has none), and whose figures these are."""

    processor: str
    clock_hz: float | None
    variation: float | None
    provenance: Provenance
    reference: str

    @property
    def kind(self) -> Literal["device", "server"]:
        return "server" if self.clock_hz is None else "device"


def timed_blocks(file: Path, machine: str | None, network: str | None) -> TimedBlocks:
    """The one network of a table that is meant.

    Raises
    ------
    FileFault : a fault of the table, or none or several that may be meant.
    """
    try:
        tables = list(read_blocks(f"{line}\n" for _, line in lines_of(file)))
    except TableFault as fault:
        raise ConfigurationError(f"{file}: {fault}") from None
    meant = [
        table
        for table in tables
        if machine in (None, table.machine) and network in (None, table.network)
    ]
    if len(meant) != 1:
        few = ", ".join(f"{each.network} on {each.machine}" for each in (meant or tables)[:6])
        detail = f"{len(meant)} networks are meant, of {few}: say one by --machine and --network"
        raise FileFault(file, "the table", detail)
    if any(block.flop is None or block.parameters is None for block in meant[0].blocks):
        detail = "columns flop and params are needed: a cut says what it costs"
        raise FileFault(file, "the table", detail)
    return meant[0]


def model_of_blocks(table: TimedBlocks, name: str, input_byte: int, origin: Origin) -> Model:
    """A cut behind every block; the last leaves everything on the device."""
    cuts = [{"name": "input", "flop": 0, "feature_byte": input_byte, "parameter_byte": 0}]
    flop = parameters = 0
    for block in table.blocks:
        flop += block.flop or 0
        parameters += block.parameters or 0
        cuts.append(
            {
                "name": f"layer{block.last_layer}",
                "flop": flop,
                "feature_byte": 0 if block is table.blocks[-1] else block.output_byte,
                "parameter_byte": FLOAT32_BYTE * parameters,
            }
        )
    body = {
        "name": name,
        "provenance": origin.provenance,
        "reference": origin.reference,
        "result_byte": table.blocks[-1].output_byte,
        "cuts": cuts,
    }
    return validated(Model, body)


def timing_of_blocks(table: TimedBlocks, model: Model, origin: Origin) -> Timing:
    """Sums of blocks, each cut with the stated coefficient of variation."""
    until = np.concatenate([[0.0], np.cumsum(table.time_s)])
    return _timing(model, until[None, :], 1, origin)


def timing_of_operators(
    operators: OperatorTimes, model: Model, told: dict[str, str], origin: Origin
) -> Timing:
    """Sums of the operators that ran until a cut's tensors were there, over all runs."""
    ends = ends_of_cuts(model, operators, told)
    sums = np.cumsum(operators.time_s, axis=1)
    until = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)[:, ends]
    own = operators.variation if origin.variation is None else origin.variation
    return _timing(model, until, len(sums), _with_variation(origin, own))


def _with_variation(origin: Origin, variation: float | None) -> Origin:
    return Origin(
        processor=origin.processor,
        clock_hz=origin.clock_hz,
        variation=variation,
        provenance=origin.provenance,
        reference=origin.reference,
    )


def _timing(model: Model, until_s: Floats, runs: int, origin: Origin) -> Timing:
    """`until_s` is (runs, cuts): the time before each cut."""
    if runs < 2 and origin.variation is None:
        raise ConfigurationError(
            "nothing says how far the times spread: give their coefficient of variation,"
            " --variation 0.05"
        )
    times = until_s if origin.kind == "device" else until_s[:, -1:] - until_s
    entries = [_entry(cut, times[:, place], origin) for place, cut in enumerate(model.cuts)]
    body = {
        "name": f"{origin.processor}.{model.name}"[:63],
        "processor": origin.processor,
        "processor_kind": origin.kind,
        "model": model.name,
        "provenance": origin.provenance,
        "reference": origin.reference,
        "cuts": entries,
    }
    return validated(Timing, body)


def _entry(cut: ModelCut, times_s: Floats, origin: Origin) -> dict[str, Any]:
    mean_s = float(times_s.mean())
    if origin.variation is not None:
        variance_s2 = (origin.variation * mean_s) ** 2
        worst_s = None
    else:
        variance_s2 = float(times_s.var(ddof=1))
        worst_s = max(float(times_s.max()), mean_s)
    said: dict[str, Any] = {"variance_s2": variance_s2, "samples": len(times_s)}
    if origin.clock_hz is None:
        return said | {"mean_s": mean_s} | ({} if worst_s is None else {"worst_s": worst_s})
    if worst_s is not None:
        said["worst_s"] = worst_s - mean_s
    if cut.flop and mean_s:
        return said | {"flop_per_cycle": cut.flop / mean_s / origin.clock_hz}
    return said | {"flop_per_cycle": 1.0, "overhead_s": mean_s}


def channel(
    rates_bps: Sequence[float],
    *,
    name: str,
    bandwidth_hz: float,
    period_s: float,
    states: int | None,
    min_rate_bps: float | None,
    provenance: Provenance,
    reference: str,
) -> Channel:
    """A channel of recorded rates: independent looks, or a chain of `states` fitted to them."""
    fading: dict[str, Any] = (
        {"kind": "trace", "rate_bps": list(rates_bps)}
        if states is None
        else {"kind": "markov", "trace_bps": list(rates_bps), "states": states}
    )
    body = {
        "name": name,
        "bandwidth_hz": bandwidth_hz,
        "fading": fading,
        "coherence_time_s": period_s,
        "provenance": provenance,
        "reference": reference,
    }
    if min_rate_bps is not None:
        body["min_rate_bps"] = min_rate_bps
    return validated(Channel, body)


def pairs(said: Iterable[str]) -> dict[str, str]:
    """`--at CUT=OPERATOR` as a table."""
    found = {}
    for each in said:
        cut, equals, operator = each.partition("=")
        if not (cut and equals and operator):
            raise ConfigurationError(f"--at {each}: write CUT=OPERATOR")
        found[cut] = operator
    return found
