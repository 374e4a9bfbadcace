"""Who solves here, and whether both who can find the same plan; what else is installed."""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from app.bundles.carried import CarriedLibrary, CarriedSamples
from app.catalogue import service as catalogue
from app.doctor.findings import Finding, ok, warning, wrong
from app.plans.family import Outcome
from app.plans.resolve import Resolver
from app.plans.robust.family import ROBUST
from app.profiles.schemas.profile import Profile
from app.settings import Settings
from solvers.compiled.library import Kernel, KernelMissing, described, missing, use, using
from solvers.progress import Progress

_MINE = "kernel"
_DEVICE, _MODEL, _CHANNEL, _SERVER = "jetson-xavier-nx-cpu", "alexnet", "lte-10mhz", "nvidia-t4"
_USERS = 6
# What each proves of its plan: the gap that is asked for by default.
_GAP = 1e-6
_EXTRAS = {
    "opentelemetry-sdk": "no traces (splitplan[otel])",
    "onnxruntime": "no profiling on this machine (splitplan[profiler])",
}


def look(settings: Settings) -> Iterator[Finding]:
    """The kernel that the settings choose; a small cell is planned by it and by numpy."""
    try:
        use(settings.kernel)
    except KernelMissing as error:
        yield wrong(
            _MINE,
            f"SPLITPLAN_KERNEL={settings.kernel}: {error}",
            "Install a C compiler and splitplan again, or set auto.",
        )
        return
    why = missing()
    if why is not None:
        yield warning(
            _MINE,
            f"numpy alone, large plans take some ten times as long: {why}",
            "Install a C compiler, and splitplan again.",
        )
    plain = _planned(Kernel.NUMPY)
    if described() == "numpy":
        yield ok(_MINE, f"numpy plans a small cell: {plain.status}")
        return
    yield _compared(plain, _planned(Kernel.COMPILED))


def _compared(plain: Outcome, compiled: Outcome) -> Finding:
    """Two plans are the same where they cut alike and neither contradicts the other's bound."""
    (energy, bound, cuts), (other, other_bound, other_cuts) = _told(plain), _told(compiled)
    near = abs(energy - other) <= _GAP * abs(energy)
    bounded = max(bound, other_bound) <= min(energy, other) * (1.0 + _GAP)
    if plain.status == compiled.status == "solved" and near and bounded and cuts == other_cuts:
        return ok(_MINE, f"{described()}, and numpy finds the same plan of a small cell")
    said = f"{described()} and numpy do not agree on a small cell: {other:.9g} and {energy:.9g} J"
    return wrong(_MINE, said, "Set SPLITPLAN_KERNEL=numpy, and install splitplan again.")


def _told(outcome: Outcome) -> tuple[float, float, list[Any]]:
    result = outcome.result or {}
    certificate = result.get("certificate") or {}
    return (
        float((result.get("objective") or {}).get("energy_j", 0.0)),
        float(certificate.get("lower_bound_j", 0.0)),
        [user.get("cut") for user in outcome.users],
    )


def _planned(kernel: Kernel) -> Outcome:
    nothing = CarriedLibrary({}, CarriedSamples({}))  # the request has it all
    request = ROBUST.request.model_validate(_cell())
    with using(kernel):
        return ROBUST.prepare(request, Resolver(nothing)).solve(Progress())


def _cell() -> dict[str, Any]:
    """Cameras of the catalogue, with all that is known of them in the request itself."""
    shipped: dict[tuple[str, str], Profile] = {
        (each.kind, each.name): each for each in catalogue.shipped()
    }

    def body(kind: str, name: str) -> dict[str, Any]:
        return dict(shipped[kind, name].model_dump(mode="json", exclude_unset=True))

    timing = next(
        each.name
        for (kind, _), each in shipped.items()
        if kind == "timing"
        and (getattr(each, "processor", ""), getattr(each, "model", "")) == (_DEVICE, _MODEL)
    )
    user = {
        "device": body("device", _DEVICE),
        "model": body("model", _MODEL),
        "device_timing": body("timing", timing),
    }
    return {
        "channel": body("channel", _CHANNEL),
        "server": body("server", _SERVER),
        "users": [
            {
                "id": f"camera-{n}",
                "distance_m": 40.0 + 30.0 * n,
                "deadline_s": 0.1 + 0.03 * n,
                "risk": 0.02,
                **user,
            }
            for n in range(_USERS)
        ],
    }


def extras() -> Iterator[Finding]:
    """What is installed beside what must be."""
    there, lacking = [], []
    for name, without in _EXTRAS.items():
        try:
            there.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lacking.append(f"{name} is not: {without}")
    said = f"Python {platform.python_version()}; {', '.join([*there, *lacking])}"
    yield ok("installed", said)
