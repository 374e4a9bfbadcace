"""What pages show of a plan, whatever its family: `summaries` fills it in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """A value with its name, and what it means."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of a whole."""

    name: str
    many: int
    part: float


@dataclass(frozen=True, slots=True)
class Network:
    """How the users of one network are spread over its cuts."""

    model: str
    users: int
    cuts: Sequence[Share]


@dataclass(frozen=True, slots=True)
class Rule:
    """A simpler rule beside the plan."""

    name: str
    value: str
    dearer: str
    """How much more than the plan it takes."""
    part: float | None
    """Of the dearest one, for a bar; None where it has no value."""
    is_plan: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """A plan in words and numbers."""

    sentences: Sequence[str] = ()
    facts: Sequence[Fact] = ()
    certificate: Sequence[Fact] = ()
    prices: Sequence[Fact] = ()
    networks: Sequence[Network] = ()
    rules: Sequence[Rule] = ()
    rules_of: str = ""
    """What is compared, with its unit."""


def networks(counts: Mapping[str, int]) -> list[Network]:
    """Users per `model/cut name`, by network, most of them first."""
    found: dict[str, list[tuple[str, int]]] = {}
    for key, many in counts.items():
        model, _, cut = key.partition("/")
        found.setdefault(model, []).append((cut, many))
    return [
        Network(
            model,
            total := sum(many for _, many in cuts),
            [Share(cut, many, many / max(total, 1)) for cut, many in sorted(cuts, key=_most_first)],
        )
        for model, cuts in sorted(found.items())
    ]


def _most_first(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]


def rules(named: Sequence[tuple[str, float | None]], plan: float, shown: Any) -> list[Rule]:
    """The plan beside simpler rules, by what each takes; `shown` writes a value."""
    values = [plan, *(value for _, value in named if value is not None)]
    dearest = max(values)
    found = [Rule("This plan", shown(plan), "", _part(plan, dearest), is_plan=True)]
    for name, value in named:
        if value is None:
            found.append(Rule(name, "–", "keeps not every limit", None))
            continue
        more = "" if plan == 0 else _more(value / plan - 1.0)
        found.append(Rule(name, shown(value), more, _part(value, dearest)))
    return found


def _part(value: float, dearest: float) -> float:
    return min(max(value / dearest, 0.0), 1.0) if dearest > 0 else 0.0


def _more(more: float) -> str:
    if abs(more) < 5e-4:
        return "the same"
    if more > 9:
        return f"{more + 1:,.0f} times as much"
    return f"{100 * more:+.1f}\u202f%".replace("-", "−")
