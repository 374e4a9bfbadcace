"""Which part of a network's time lies before each cut, as the atlas tells it, and how wrong that
has been.

The runtime decides more than the board: TensorFlow's eager mode spends a constant on every layer
that runtimes with fused kernels do not. So boards are compared within a runtime, and where nobody
says which one it is, each has the same say.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from app.catalogue.service import shipped
from app.catalogue.shapes import Shape, measured_shapes, shaped_models
from app.profiles.schemas.model import Model
from solvers.arrays import Floats
from solvers.measurement.sharing import (
    MixLaw,
    SharingErrors,
    Work,
    mix_law,
    nearness,
    sharing_errors,
)

# Whose kernels are fused and timed without the framework: what its pieces take is the law of what
# they compute and move.
LAW_RUNTIME = "onnxruntime"
# Two boards that are one machine say the same twice.
_TWINS = {"asus-laptop-cpu": "asus-laptop-cpu-docker", "asus-laptop-cpu-docker": "asus-laptop-cpu"}
_SAME_NETWORK = 0.03  # FLOP and parameters of two exports of one network differ by less
_SAME_PLACE = 1e-6


@dataclass(frozen=True, slots=True)
class Sharing:
    """Part of the time before each cut, where it is from, and how wrong such parts were."""

    share: Floats  # (cuts,)
    rule: str  # measured_shape | operator_mix | flop
    boards: tuple[str, ...]  # the nearest first
    runtimes: tuple[str, ...]
    errors: SharingErrors


@dataclass(frozen=True, slots=True)
class Case:
    """A network as it was measured on one board: of the atlas, or ours of which the shape is to be
    found.
    """

    model: str
    board: str
    work: Work
    time_s: float


def work_of(model: Model) -> Work:
    """What a network computes and moves."""
    flop, feature, parameter = (
        np.array([getattr(cut, field) for cut in model.cuts], dtype=np.float64)
        for field in ("flop", "feature_byte", "parameter_byte")
    )
    return Work(flop=flop, feature_byte=feature, parameter_byte=parameter)


def runtimes() -> tuple[str, ...]:
    """The runtimes of which the atlas has shapes."""
    return tuple(sorted({shape.runtime for shape in _every_shape()} - {"not stated"}))


def shared(model: Model, time_s: float, runtime: str | None, rule: str | None) -> Sharing:
    """How to share `time_s` out over the cuts of a network; `rule` None: the best that is known."""
    work = work_of(model)
    every = _shapes_of(work)
    shapes = tuple(shape for shape in every if shape.runtime == runtime)
    if not shapes and runtime != LAW_RUNTIME:  # what is known of others is better than nothing
        shapes, runtime = every, None
    if shapes and rule in (None, "measured_shape"):
        case = Case("", "", work, time_s)
        told = [_placed(work, shape) for shape in shapes]
        share = _by_shape(case, shapes, told, runtime, law=_law(""))
        weight = nearness(np.array([shape.whole_s for shape in shapes]), time_s)
        order = np.argsort(-weight, kind="stable")
        return Sharing(
            share,
            "measured_shape",
            tuple(dict.fromkeys(shapes[n].board for n in order)),
            tuple(sorted({shape.runtime for shape in shapes})),
            errors_by_shape(runtime),
        )
    if rule == "flop":
        return Sharing(work.flop_share, "flop", (), (), errors_by_flop())
    return Sharing(_law("").share(work), "operator_mix", (), (LAW_RUNTIME,), errors_by_law(runtime))


def _by_shape(
    case: Case,
    shapes: Sequence[Shape],
    told: Sequence[Floats],
    runtime: str | None,
    law: MixLaw,
) -> Floats:
    """The mean over runtimes of the mean over their boards, those that took about as long first;
    where one runtime alone measured the network and nobody says that it is ours, the law stands in
    for the others.
    """
    opinions = []
    for each in dict.fromkeys(shape.runtime for shape in shapes):
        mine = [n for n, shape in enumerate(shapes) if shape.runtime == each]
        weight = nearness(np.array([shapes[n].whole_s for n in mine]), case.time_s)
        opinions.append(weight @ np.stack([told[n] for n in mine]))
    if runtime is None and len(opinions) == 1:
        opinions.append(law.share(case.work))
    return np.asarray(np.mean(opinions, axis=0))


@cache
def errors_by_shape(runtime: str | None) -> SharingErrors:
    """Over the atlas, each board's shapes left out in turn; of one runtime, or whichever it is."""
    found = [(told, measured) for _, told, measured in leave_one_out(by_shape(runtime), runtime)]
    # One board tells nothing of the next: then those of the runtime with most boards speak.
    if len(found) < _FEWEST_CASES:
        return errors_by_shape("tensorflow")
    return sharing_errors(found)


@cache
def errors_by_law(runtime: str | None) -> SharingErrors:
    """Over the atlas, each family of networks left out in turn."""
    found = [(told, measured) for _, told, measured in leave_one_out(by_law, runtime)]
    if len(found) < _FEWEST_CASES:
        return errors_by_law(None)
    return sharing_errors(found)


@cache
def errors_by_flop() -> SharingErrors:
    """Over the atlas."""
    return sharing_errors([(told, measured) for _, told, measured in leave_one_out(by_flop, None)])


Rule = Callable[[Case], Floats | None]


def by_flop(case: Case) -> Floats | None:
    """Shares by FLOP."""
    return case.work.flop_share


def by_law(case: Case) -> Floats | None:
    """Shares by the law of the other families of networks."""
    return _law(_family(case.model)).share(case.work)


def others(case: Case) -> Iterator[Shape]:
    """What other boards showed of a network."""
    left_out = (case.board, _TWINS.get(case.board))
    return (shape for shape in measured_shapes(case.model) if shape.board not in left_out)


def by_shape(runtime: str | None) -> Rule:
    """Shares by the shapes that other boards showed; None where nobody else measured it."""

    def rule(case: Case) -> Floats | None:
        shapes = [shape for shape in others(case) if runtime in (None, shape.runtime)]
        if not shapes:
            return None
        told = [np.array(shape.share) for shape in shapes]
        return _by_shape(case, shapes, told, runtime, _law(_family(case.model)))

    return rule


def leave_one_out(rule: Rule, runtime: str | None) -> Iterator[tuple[Shape, Floats, Floats]]:
    """Each shape of the atlas (of a runtime), what a rule says of it, and what was measured."""
    for shape in _every_shape():
        if runtime not in (None, shape.runtime):
            continue
        case = Case(shape.model, shape.board, _works()[shape.model], shape.whole_s)
        share = rule(case)
        if share is not None:
            yield shape, share, np.array(shape.share)


_FEWEST_CASES = 10  # for nine of ten to mean something


def _family(model: str) -> str:
    """Networks of one kind, as `resnet50` and `resnet101-v2`."""
    return re.split("[^a-z]", model)[0]


@cache
def _law(left_out: str) -> MixLaw:
    """The law of the networks timed kernel by kernel, but for one family."""
    timed = [
        shape
        for shape in _every_shape()
        if shape.runtime == LAW_RUNTIME and not (left_out and _family(shape.model) == left_out)
    ]
    return mix_law(
        [_works()[shape.model] for shape in timed],
        [np.array(shape.share) for shape in timed],
        [shape.whole_s for shape in timed],
    )


@cache
def _every_shape() -> tuple[Shape, ...]:
    return tuple(shape for model in shaped_models() for shape in measured_shapes(model))


@cache
def _works() -> dict[str, Work]:
    return {
        each.name: work_of(each)
        for each in shipped()
        if isinstance(each, Model) and each.name in shaped_models()
    }


def _shapes_of(work: Work) -> tuple[Shape, ...]:
    """The shapes of the networks that this one is, by all that it computes and keeps."""
    same = [model for model, known in _works().items() if _same(work, known)]
    return tuple(shape for model in same for shape in measured_shapes(model))


def _same(work: Work, known: Work) -> bool:
    ours, theirs = (np.array([each.flop[-1], each.parameter_byte[-1]]) for each in (work, known))
    return bool(np.all(np.abs(ours - theirs) <= _SAME_NETWORK * theirs))


def _placed(work: Work, shape: Shape) -> Floats:
    """A shape at our cuts, found by their FLOP; among cuts with equal FLOP, as behind a convolution
    and behind its pooling, by what crosses.
    """
    known, share = _works()[shape.model], np.array(shape.share)
    if len(work.flop) == len(known.flop) and np.allclose(
        work.flop_share, known.flop_share, atol=_SAME_PLACE
    ):
        return share
    ours, theirs = work.flop_share, known.flop_share
    found = np.empty(len(ours))
    for m, at in enumerate(ours):
        here = np.flatnonzero(np.abs(theirs - at) <= _SAME_PLACE)
        if len(here) == 0:
            found[m] = np.interp(at, theirs, share)
            continue
        away = np.abs(known.feature_byte[here] - work.feature_byte[m])
        found[m] = share[here[int(np.argmin(away))]]
    found[0], found[-1] = 0.0, 1.0
    return np.asarray(np.maximum.accumulate(found))
