"""Error of a timing estimated from the time of the whole network, against the measured cuts.

Each shape of the atlas is left out with all its board's, then told from the others' and from its
whole time; the error of a network is the largest over its cuts, in points of the whole time.
"""

import math
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np

from app.catalogue.shapes import shaped_models
from app.measurements.estimates import atlas
from solvers.arrays import Floats
from solvers.measurement.sharing import nearness

RUNTIMES = ("tensorflow", "onnxruntime")


def _alone(runtime: str) -> atlas.Rule:
    """The one board of the runtime whose whole time is nearest."""

    def rule(case: atlas.Case) -> Floats | None:
        shapes = [each for each in atlas.others(case) if each.runtime == runtime]
        if not shapes:
            return None
        near = min(shapes, key=lambda each: abs(math.log(each.whole_s / case.time_s)))
        return np.array(near.share)

    return rule


def _elsewhere(runtime: str) -> atlas.Rule:
    """The shapes of the other runtime, weighted by nearness."""

    def rule(case: atlas.Case) -> Floats | None:
        (other,) = {*RUNTIMES} - {runtime}
        shapes = [each for each in atlas.others(case) if each.runtime == other]
        if not shapes:
            return None
        weight = nearness(np.array([each.whole_s for each in shapes]), case.time_s)
        return np.asarray(weight @ np.array([each.share for each in shapes]))

    return rule


RULES: tuple[tuple[str, Callable[[str], atlas.Rule]], ...] = (
    ("shapes, runtime known", atlas.by_shape),
    ("nearest board alone", _alone),
    ("shapes, unknown", lambda _: atlas.by_shape(None)),
    ("of the other runtime", _elsewhere),
    ("law of FLOP and bytes", lambda _: atlas.by_law),
    ("FLOP", lambda _: atlas.by_flop),
)


def main() -> None:
    for runtime in RUNTIMES:
        print(f"\n{runtime}: boards, then median over boards of the median over cuts,")
        print("median and largest over boards of the largest over cuts [points of the whole time]")
        names = [name for name, _ in RULES]
        print(f"{'network':20s}{'n':>3s}  " + "".join(f"{name:>24s}" for name in names))
        told = {name: list(_cases(rule(runtime), runtime)) for name, rule in RULES}
        for model in shaped_models():
            mine = {name: [e for of, e in cases if of == model] for name, cases in told.items()}
            if any(mine.values()):
                print(
                    f"{model:20s}{len(mine['FLOP']):3d}  "
                    + "".join(f"{_row(mine[name]):>24s}" for name in names)
                )
        print(
            f"{'all':20s}{len(told['FLOP']):3d}  "
            + "".join(f"{_row([e for _, e in told[name]]):>24s}" for name in names)
        )
        print(
            f"{'nine of ten':23s}  "
            + "".join(f"{_ninth([e for _, e in told[name]]):>24s}" for name in names)
        )


def _cases(rule: atlas.Rule, runtime: str) -> Iterator[tuple[str, Floats]]:
    for shape, share, measured in atlas.leave_one_out(rule, runtime):
        yield shape.model, 100.0 * np.abs(share - measured)[1:-1]


def _row(errors: list[Floats]) -> str:
    if not errors:
        return "-"
    worst = [float(each.max()) for each in errors]
    middle = median(float(np.median(each)) for each in errors)
    return f"{middle:.1f}  {median(worst):5.1f} {max(worst):5.1f}"


def _ninth(errors: list[Floats]) -> str:
    return f"{np.quantile([float(each.max()) for each in errors], 0.9):.1f}" if errors else "-"


if __name__ == "__main__":
    main()
