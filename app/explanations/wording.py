"""Explanations in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

_BINDING = {
    "memory": "the device cannot hold its parameters",
    "loss": "it loses more accuracy than the user accepts",
    "clock": "it is late on average at the largest clock, even if the uplink took no time",
    "rate": "it is late on average over the whole uplink",
    "margin": "it is in time on average, but not with the margin that the risk asks for",
    "stage": "device or uplink cannot keep up with the rate of inferences",
    "server": "a server has no room for it",
    "time": "it is late even with the whole uplink and the whole server",
    "outage": "the channel is never up",
}
_QUANTITY = {
    "gain_db": ("a gain", " dB"),
    "spectral_efficiency_bps_per_hz": ("a spectral efficiency", " bit/s/Hz"),
    "mean_snr_db": ("a mean SNR", " dB"),
    "deadline_s": ("a deadline", " s"),
    "bandwidth_price_j_per_hz": ("a price of the uplink", " J/Hz"),
    "bandwidth_price_w_per_hz": ("a price of the uplink", " W/Hz"),
    "bandwidth_price": ("a price of the uplink", "/Hz"),
    "server_price": ("a price of the server", " per FLOP/s"),
    "energy_per_j": ("a price of energy", "/J"),
    "inferences_per_update": ("so many inferences per update", ""),
}
_PROOF = {
    "exact": "it shares nothing with others",
    "solved": "the others were planned anew",
    "lagrangian": "by the bound of the cell's price; the others were not planned anew",
    "none": "the others could go on as they do; how much more they would save is not known",
}


def sentence(cut: Json, told: Json) -> str:
    """What there is to say of one cut."""
    unit = _unit(told)
    name = f"{cut['cut_name']} (cut {cut['cut']})"
    if not cut["feasible"]:
        short = cut["short_by_s"]
        lacks = f", by {short:.3g} s" if short is not None and short > 0.0 else ""
        said = f"{name} is not possible: {_BINDING[cut['binding']]}{lacks}."
    elif cut["chosen"] and cut["wins"]:
        more = cut["dearer_by"]
        than = "" if more is None else f", {-more:.3g}{unit} less than the next"
        said = f"{name} is taken: it costs {cut['price_cost']:.4g}{unit}{_at(told)}{than}."
    else:
        taken = " is taken, but" if cut["chosen"] else ""
        more = cut["dearer_by"] or 0.0
        by = f"{more:.3g}{unit} more than the best" if more > 0.0 else "less than any other"
        said = f"{name}{taken} costs {cut['price_cost']:.4g}{unit}{_at(told)}, {by}."
    said += _beside(cut, unit)
    wins = [_threshold(each) for each in cut["wins_if"]]
    return said + (f" It would win at the prices with {', or '.join(wins)}." if wins else "")


def _beside(cut: Json, unit: str) -> str:
    """What the whole cell has to say of a cut."""
    if cut.get("beside_others") is False:
        return " The cell has no plan with it."
    more = cut.get("cell_more")
    if more is None or cut["chosen"]:
        return ""
    low, high = more["at_least"], more["at_most"]
    if high is not None:
        return f" With it the whole cell would spend {max(high, 0.0):.4g}{unit} more."
    return (
        f" With it the whole cell would spend at least {low:.4g}{unit} more." if low > 0.0 else ""
    )


def summary(told: Json) -> list[str]:
    """An explanation as sentences, the most important one first."""
    return list(_sentences(told))


def _sentences(told: Json) -> Iterator[str]:
    taken = next(cut for cut in told["cuts"] if cut["chosen"])
    yield f"{told['user']}: {taken['sentence']}"
    best = next((cut for cut in told["cuts"] if cut["wins"]), None)
    if best is not None and best is not taken:
        yield (
            f"At the prices alone {best['cut_name']} (cut {best['cut']}) would be cheaper: what it"
            " takes is more than the price says where few users share."
        )
    others = sorted(
        (cut for cut in told["cuts"] if cut["feasible"] and not cut["chosen"]),
        key=_rank,
    )
    if others:
        yield f"The next best: {others[0]['sentence']}"
    stopped = sum(not cut["feasible"] for cut in told["cuts"])
    if stopped:
        yield f"Of {len(told['cuts'])} cuts {stopped} are not possible at all."
    yield from _owed(told["sensitivity"], _unit(told))


def _rank(cut: Json) -> tuple[bool, float]:
    """The cut with which the cell spends least first, as far as that is known."""
    more = (cut.get("cell_more") or {}).get("at_most")
    return more is None, cut["price_cost"] if more is None else more


def _owed(owed: Json, unit: str) -> Iterator[str]:
    without = owed["saved_without"]
    low, high = without["at_least"], without["at_most"]
    if high is None:
        saves = f"at least {low:.4g}{unit}"
    elif high - low <= 1e-6 * abs(high):
        saves = f"{high:.4g}{unit}"
    else:
        saves = f"{low:.4g} to {high:.4g}{unit}"
    yield f"Without this user the cell would save {saves} ({_PROOF[owed['proof']]})."
    slope = owed.get("per_deadline")
    if slope is not None and slope["at_least"] is not None and slope["at_most"] is not None:
        least, most = (max(-1e-3 * slope[end], 0.0) for end in ("at_most", "at_least"))
        if most > 0.0:
            yield f"A millisecond more is worth {least:.3g} to {most:.3g}{unit} at this cut."
        else:
            yield "More time is worth nothing at this cut."


def _at(told: Json) -> str:
    return " at the prices" if told["prices"] else ""


def _unit(told: Json) -> str:
    return "" if told["unit"] == "cost" else f" {told['unit']}"


def _threshold(each: Json) -> str:
    what, unit = _QUANTITY[each["quantity"]]
    end = "at least" if each["direction"] == "higher" else "at most"
    return f"{what} of {end} {each['wins_at']:.6g}{unit} (now {each['now']:.6g})"
