"""Times observed in production, held against the revision that a plan was made with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import instants
from app.db import Database
from app.errors import FieldError, InvalidRequest, PlanNotFound
from app.measurements import files
from app.measurements.schemas.files import ObservationFile
from app.measurements.stored import add, document, hold
from app.plans import service as plans
from app.plans import stored
from app.plans.pins import Pins
from app.plans.strangers import stranger
from app.plans.tables import PlanRow
from app.profiles import service as profiles
from app.profiles.references import ProfileRef
from app.profiles.schemas.profile import ProcessorKind
from app.profiles.schemas.timing import Timing, TimingCut
from app.samples.tables import MeasurementRow
from solvers.stationarity import FEWEST_BATCHES, departure_p_value, look_level, misses_p_value

Observed = Literal["total", "device", "server"]

_MOST_LISTED = 1000
_CLOCKS_APART = timedelta(hours=1)  # of the machines that stored the plan and the revision
_MOVED_STD = 0.5  # a mean that moved by less costs Cantelli's margin next to nothing
_LEAST_MOVE = 1e-3  # of a time that was planned never to vary
_SAME_CLOCK = 1e-6
_REFUTING = ("moved", "late")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a plan expects of a user's times of one kind."""

    part: Observed
    cut: int
    mean_s: float
    std_s: float
    error_s: float  # of the mean itself
    deadline_s: float | None = None
    miss_bound: float | None = None  # no law with the planned moments is late more often


def receive(database: Database, name: str, file: ObservationFile) -> dict[str, Any]:
    """Test observed times, store them, and call the revision stale that they refute.

    Raises InvalidRequest, PlanNotFound, ProfileNotFound.
    """
    with database.reading() as session:
        row = plans.find(session, file.plan)
        ref, timing = _revision(session, row, name)
        expected = _expected(session, row, ref, timing, file)
        resting, count = plans_on(session, ref)
    revision = ref.revision
    assert revision is not None  # pins name revisions
    now = datetime.now(UTC)
    with database.writing() as session:
        profile, number = hold(session, name)
        if (
            profile is None
            or session.scalar(select(PlanRow.number).where(PlanRow.id == file.plan)) is None
        ):
            raise PlanNotFound(f"The plan {file.plan!r} was deleted meanwhile.")
        look = 1 + _looks(session, profile, revision)
        # Every test of this look may spend its share; the two tests of a total share that.
        level = look_level(look) / len(expected)
        tests = [_tested(user, one, times, level) for user, one, times in expected]
        refuting = [test for test in tests if test["verdict"] in _REFUTING]
        if refuting:
            profiles.mark_stale(
                session, name, revision, _evidence(now, number, file.plan, refuting)
            )
        made = MeasurementRow(
            profile_id=profile,
            number=number,
            kind="observations",
            revision=revision,
            created_at=now,
            summary={
                "plan": file.plan,
                "users": len(file.observations),
                "samples": sum(len(times) for _, _, times in expected),
                "stale": profiles.get(session, Timing, name, revision).stale is not None,
            },
            details={
                "look": look,
                "tests": sorted(tests, key=lambda test: test["verdict"] not in _REFUTING)[
                    :_MOST_LISTED
                ],
                "plans": resting,
                "plans_count": count,
            },
        )
        add(session, made, files.pack_observations(file))
        return document(name, made)


def _looks(session: Session, profile: int, revision: int) -> int:
    """How often a revision was held against observed times before."""
    looks = session.scalar(
        select(func.count())
        .select_from(MeasurementRow)
        .where(
            MeasurementRow.profile_id == profile,
            MeasurementRow.kind == "observations",
            MeasurementRow.revision == revision,
        )
    )
    return looks or 0


def plans_on(session: Session, ref: ProfileRef) -> tuple[list[str], int]:
    """The newest plans that rest on a revision of a timing, and how many there are in all.

    Pins are a small object beside the request: the database looks through their text, of plans that
    are young enough.
    """
    made_at = profiles.get(session, Timing, ref.name, ref.revision).created_at
    newest = (
        select(PlanRow.id, stored.PINS)
        .where(PlanRow.created_at >= made_at - _CLOCKS_APART, stored.may_rest_on(ref))
        .order_by(PlanRow.number.desc())
    )
    found = [key for key, kept in session.execute(newest) if ref in Pins.of(kept).timings]
    return found[:_MOST_LISTED], len(found)


def timing_of(
    row: PlanRow, user: Mapping[str, Any], kind: ProcessorKind, picked: str | None = None
) -> ProfileRef | None:
    """The stored revision that a user was planned with; None for an inline timing, or none.

    `picked` is the server that the plan picked, where the user has several.
    """
    given = user.get(f"{kind}_timing")
    pins = stored.pins_of(row) or Pins()
    servers = user.get("servers") or ()
    if kind == "server" and len(servers) > 1:
        # Which of them a timing that was given is of is not said in the request.
        if given is not None or picked is None or picked.startswith("inline:"):
            return None
        return pins.timing(kind, _name(picked), _name(user["model"]))
    if given is not None:
        return pins.stored("timing", given) if isinstance(given, str) else None
    processor = user["device"] if kind == "device" else _server(row.request, user)
    if processor is None:
        return None
    return pins.timing(kind, _name(processor), _name(user["model"]))


def _server(request: Mapping[str, Any], user: Mapping[str, Any]) -> Any:
    """The server of a user: its own, that of its cell, or of all."""
    if user.get("servers"):
        return user["servers"][0]
    cells = [cell for cell in request.get("cells") or () if cell["id"] == user.get("cell")]
    return (cells[0].get("server") if cells else None) or request.get("server")


def _name(profile: str | Mapping[str, Any]) -> str:
    """The name of a profile, referred to or inline."""
    return ProfileRef.parse(profile).name if isinstance(profile, str) else str(profile["name"])


def _revision(session: Session, row: PlanRow, name: str) -> tuple[ProfileRef, Timing]:
    """The revision of the timing that the plan was made with."""
    if row.kind != "robust" or stored.answer_of(row).result is None:
        detail = (
            f"the plan {row.id!r} promises no times: only robust plans with a result can be held"
            " against them"
        )
        raise InvalidRequest([FieldError("/plan", detail)])
    timings = (stored.pins_of(row) or Pins()).timings
    found = sorted(ref for ref in timings if ref.name == name)
    if not found:
        raise InvalidRequest(
            [FieldError("/plan", f"the plan {row.id!r} does not rest on the timing {name!r}")]
        )
    if len(found) > 1:
        detail = f"the plan {row.id!r} rests on several revisions ({', '.join(map(str, found))})"
        raise InvalidRequest([FieldError("/plan", detail)])
    ref = found[0]
    return ref, profiles.get(session, Timing, ref.name, ref.revision).body


def _expected(
    session: Session, row: PlanRow, ref: ProfileRef, timing: Timing, file: ObservationFile
) -> list[tuple[str, Expected, np.ndarray[Any, np.dtype[np.float64]]]]:
    """Each series of times with what the plan expects of it. Raises InvalidRequest."""
    assert timing.processor_kind is not None
    wanted = [one.user for one in file.observations]
    asked = stored.request_of(session, row).named(wanted)
    decided = stored.users_named(session, row, wanted)
    faults: list[FieldError] = []
    found = []
    for n, one in enumerate(file.observations):
        at = f"/observations/{n}"
        if one.user not in decided:
            faults.append(
                FieldError(
                    f"{at}/user", stranger(session, row.number, row.id, one.user, len(faults))
                )
            )
            continue
        told = decided[one.user]
        if timing_of(row, asked[one.user], timing.processor_kind, told.get("server")) != ref:
            faults.append(FieldError(f"{at}/user", f"was not planned with {ref}"))
            continue
        if told.get("codec") is not None or told.get("tier") is not None:
            detail = f"codes what it sends, or goes on in a tier: that is not what {ref} is about"
            faults.append(FieldError(f"{at}/user", detail))
            continue
        for field, expected in _of_user(decided[one.user], timing):
            if (times := getattr(one, field)) is not None:
                found.append((one.user, expected, np.asarray(times)))
        other = "server" if timing.processor_kind == "device" else "device"
        if getattr(one, f"{other}_s") is not None:
            faults.append(
                FieldError(
                    f"{at}/{other}_s",
                    f"is not what {ref} is about: it is of a {timing.processor_kind}",
                )
            )
    if faults:
        raise InvalidRequest(faults)
    return found


def _of_user(decided: dict[str, Any], timing: Timing) -> Iterator[tuple[str, Expected]]:
    latency, cut = decided["latency"], decided["cut"]
    kind: ProcessorKind = timing.processor_kind or "device"
    variance_s2, count = _moments(timing.cuts[cut], decided["frequency_hz"])
    error_s = float(np.sqrt(variance_s2 / count)) if count else 0.0
    yield (
        "time_s",
        Expected(
            "total",
            cut,
            latency["mean_s"],
            latency["std_s"],
            error_s,
            decided["deadline_s"],
            decided["violation_bound"],
        ),
    )
    yield (
        f"{kind}_s",
        Expected(kind, cut, latency[f"{kind}_s"], float(np.sqrt(variance_s2)), error_s),
    )


def _moments(entry: TimingCut, frequency_hz: float) -> tuple[float, int | None]:
    """Variance of a part at a clock, and how many samples its mean was computed from."""
    for level in entry.levels or ():
        if abs(level.frequency_hz - frequency_hz) <= _SAME_CLOCK * frequency_hz:
            return level.variance_s2, level.samples
    if entry.variance_s2 is not None:
        return entry.variance_s2, entry.samples
    return max(level.variance_s2 for level in entry.levels or ()), entry.samples


def _tested(
    user: str, expected: Expected, times: np.ndarray[Any, np.dtype[np.float64]], level: float
) -> dict[str, Any]:
    p_value, misses, late = None, None, None
    verdict = "undecided"
    half = level / 2.0 if expected.miss_bound is not None else level
    mean = float(times.mean())
    if len(times) >= FEWEST_BATCHES:
        p_value = departure_p_value(times, expected.mean_s, expected.error_s)
        far = abs(mean - expected.mean_s) > max(
            _MOVED_STD * expected.std_s, _LEAST_MOVE * expected.mean_s
        )
        verdict = "moved" if p_value < half and far else "fits"
    if expected.deadline_s is not None and expected.miss_bound is not None:
        misses = int(np.sum(times > expected.deadline_s))
        late = misses_p_value(misses, len(times), expected.miss_bound)
        if late < half:
            verdict = "late"
    return {
        "user": user,
        "part": expected.part,
        "cut": expected.cut,
        "samples": len(times),
        "mean_s": mean,
        "planned_mean_s": expected.mean_s,
        "planned_std_s": expected.std_s,
        "p_value": p_value,
        "misses": misses,
        "miss_bound": expected.miss_bound,
        "misses_p_value": late,
        "level": level,
        "verdict": verdict,
    }


def _evidence(
    now: datetime, number: int, plan: str, refuting: list[dict[str, Any]]
) -> dict[str, Any]:
    first = refuting[0]
    if first["verdict"] == "late":
        late, samples, bound = (first[name] for name in ("misses", "samples", "miss_bound"))
        what = f"{late} of {samples} inferences were late, planned were {bound:.1%} at most"
    else:
        part = "whole" if first["part"] == "total" else f"{first['part']}'s part"
        what = (
            f"the mean of the {part} is {first['mean_s']:.4g} s, planned were"
            f" {first['planned_mean_s']:.4g} s"
        )
    more = f", and {len(refuting) - 1} more tests" if len(refuting) > 1 else ""
    return {
        "since": instants.text(now),
        "measurement": number,
        "plan": plan,
        "detail": f"user {first['user']!r}: {what}{more}",
    }
