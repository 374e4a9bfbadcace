"""The page of one user of a plan: what its device should do, and why not otherwise."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.plans import service
from app.plans.heads import Head
from app.ui import bars, columns, drawings, why
from app.ui.rendering import page
from app.ui.tables import Table, alternatives, curve, decision_table, reasons
from app.ui.told import Fact, Json
from app.ui.words import NOTHING, number, si


def show(session: Session, request: Request, plan_id: str, user_id: str) -> Response:
    """A user. Raises PlanNotFound, PlanUserNotFound, PlanNotEnded."""
    plan = service.head(session, plan_id)
    user = service.get_user(session, plan, user_id)
    time, energy = bars.latency(user), bars.energy(user)
    return page(
        request.scope,
        "user.html",
        plan=plan,
        user=user,
        decision=_decision(plan, user),
        facts=_facts(plan, user),
        bars=[
            {"name": name, "bar": bar, "legend": bars.legend(bar)}
            for name, bar in (("Time", time), ("Energy", energy))
            if bar is not None and bar.parts
        ],
        tables=list(_tables(user)),
        figures=drawings.of_user(session, plan_id, user_id),
        why=why.at_once(session, plan, user_id),
        can_tell=why.can_tell(plan),
    )


def _decision(plan: Head, user: Json) -> str:
    """What the device should do, in a sentence."""
    if not plan.has_result:
        return "This user fails even alone, whatever the others have."
    if "cut_name" not in user:
        least = user.get("least_rate_bps")
        if least is None:
            return "Nothing keeps its limits, whatever the rate."
        return f"It looks its cut up by the rate that it sees, from {si(least, 'bit/s')} on."
    if "placement" in user:
        return (
            f"It keeps the layers up to {user['cut_name']}, and decides at each cut by the rate"
            " that it sees."
        )
    sent = user.get("bandwidth_hz") or 0.0
    if user["cut"] == 0:
        return f"It computes nothing and sends its input over {si(sent, 'Hz')} of the uplink."
    clock = f" at {si(user['frequency_hz'], 'Hz')}"
    if sent == 0:
        return f"It computes up to {user['cut_name']}{clock}, and sends nothing."
    return (
        f"It computes up to {user['cut_name']}{clock} and sends what crosses over"
        f" {si(sent, 'Hz')} of the uplink."
    )


def _facts(plan: Head, user: Json) -> list[Fact]:
    shown = columns.of(plan.kind, has_result=plan.has_result)
    found = [Fact(column.title, column.text(user)) for column in shown]
    known = [fact for fact in found if fact.value != NOTHING]
    return known + list(_more(user))


def _more(user: Json) -> Iterator[Fact]:
    gains: Any = user.get("valid_gain_db")
    if gains is not None and any(gain is not None for gain in gains):
        yield Fact("Holds for gains", _between(*gains), "outside take the fallback cut")
    if user.get("fallback_cut") is not None:
        yield Fact("Fallback cut", str(user["fallback_cut"]), "keeps the deadline, sends nothing")
    if user.get("server") is not None:
        yield Fact("Server", str(user["server"]))
    if user.get("codec") is not None:
        yield Fact("Codec", str(user["codec"]))


def _between(low: float | None, high: float | None) -> str:
    if low is None:
        return f"up to {number(high)} dB"
    return f"from {number(low)} dB" if high is None else f"{number(low)} to {number(high)} dB"


def _tables(user: Mapping[str, Any]) -> Iterator[Table]:
    for found in (
        decision_table(user.get("table")),
        alternatives(user.get("alternatives"), user.get("cut")),
        curve(user.get("curve")),
        reasons(user.get("reasons")),
    ):
        if found is not None:
            yield found
