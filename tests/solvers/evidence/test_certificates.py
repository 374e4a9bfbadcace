"""Bounds that survive the planner's own choosing."""

import numpy as np
import pytest

from solvers.arrays import Floats
from solvers.evidence.certificates import (
    Certified,
    Evidence,
    OptionSamples,
    Selection,
    certify,
)
from solvers.evidence.ranks import rank_for


def an_option(
    *parts: Floats, constant_s: float = 0.0, costs: tuple[float, ...] = (1.0,)
) -> OptionSamples:
    mean = constant_s + sum(float(part.mean()) for part in parts)
    return OptionSamples(parts, constant_s, mean, costs)


def test_an_option_alone_is_bounded_by_its_order_statistic() -> None:
    times = np.random.default_rng(0).gamma(2.0, 1.0, 300)
    found = certify([an_option(times, constant_s=0.5)], 0.05, 0.05)
    k = rank_for(300, 0.05, 0.05)
    assert k is not None
    assert found.excess_s[0] == pytest.approx(np.sort(times)[k - 1] - times.mean())
    assert (found.compared, found.samples, found.missing) == (1, (300,), (0,))


def test_what_never_varies_needs_no_samples_and_costs_the_others_nothing() -> None:
    times = np.random.default_rng(1).gamma(2.0, 1.0, 80)
    still = OptionSamples((), 0.3, 0.3, (1.0,))
    found = certify([an_option(times), still, still], 0.05, 0.05)
    assert found.compared == 1
    assert found.excess_s[1:].tolist() == [0.0, 0.0]
    assert np.isfinite(found.excess_s[0])


def test_delta_is_shared_by_all_that_could_be_best() -> None:
    rng = np.random.default_rng(2)
    options = [an_option(rng.gamma(2.0, 1.0, 400)) for _ in range(10)]
    alone = certify(options[:1], 0.05, 0.05).excess_s[0]
    assert certify(options, 0.05, 0.05).excess_s[0] > alone
    few = certify([an_option(rng.random(59)) for _ in range(10)], 0.05, 0.05)
    assert np.isnan(few.excess_s).all()
    assert all(missing > 0 for missing in few.missing)


@pytest.mark.parametrize("evidence", list(Evidence))
def test_options_without_a_bound_take_no_share_of_delta(evidence: Evidence) -> None:
    rng = np.random.default_rng(5)
    many = [an_option(rng.gamma(2.0, 1.0, 400)) for _ in range(2)]
    few = [an_option(rng.gamma(2.0, 1.0, 20)) for _ in range(8)]
    alone = certify(many, 0.05, 0.05, evidence)
    beside = certify(many + few, 0.05, 0.05, evidence)
    assert beside.compared == 2
    assert beside.excess_s[:2].tolist() == alone.excess_s.tolist()
    assert np.isnan(beside.excess_s[2:]).all()
    assert all(missing > 0 for missing in beside.missing[2:])


def chosen_miss_shares(selection: Selection | None, options: int, samples: int) -> Floats:
    """True risk of the option with the least bound, over many fleets of equal options whose times
    are uniform; None: each option is bounded as if it were the only one.
    """
    rng, shares = np.random.default_rng(3), []
    for _ in range(150):
        times = [rng.random(samples) for _ in range(options)]
        every = [an_option(one) for one in times]
        if selection is None:
            bounds = np.array(
                [certify([one], 0.05, 0.05).excess_s[0] + one.mean_s for one in every]
            )
        else:
            found: Certified = certify(every, 0.05, 0.05, selection=selection)
            bounds = found.excess_s + np.array([one.mean_s for one in every])
        shares.append(1.0 - float(np.nanmin(bounds)))
    return np.array(shares)


@pytest.mark.slow
def test_choosing_the_luckiest_breaks_the_promise_without_the_correction() -> None:
    assert np.mean(chosen_miss_shares(None, 100, 59) > 0.05) > 0.9


@pytest.mark.parametrize("selection", Selection)
def test_the_chosen_option_keeps_the_promise_with_it(selection: Selection) -> None:
    assert np.mean(chosen_miss_shares(selection, 20, 400) > 0.05) <= 0.05 + 0.04


def test_a_short_list_is_of_those_that_nobody_beats() -> None:
    rng = np.random.default_rng(4)
    fast, slow, worse = rng.random(600), 5.0 + rng.random(600), 9.0 + rng.random(600)
    options = [
        an_option(fast, costs=(3.0,)),
        an_option(slow, costs=(1.0,)),
        an_option(worse, costs=(2.0,)),
    ]
    found = certify(options, 0.05, 0.05, selection=Selection.SPLIT)
    assert found.compared == 2
    assert np.isfinite(found.excess_s).tolist() == [True, True, False]


def test_parts_that_were_measured_apart_are_bounded_apart() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.gamma(2.0, 1.0, 1500), rng.gamma(2.0, 1.0, 1500)
    paired = certify([an_option(first + second)], 0.05, 0.05).excess_s[0]
    apart = certify([an_option(first, second)], 0.05, 0.05).excess_s[0]
    assert apart > paired


def test_estimated_moments_ask_for_more_than_cantelli() -> None:
    rng = np.random.default_rng(6)
    for samples in (40, 300, 10_000):
        times = rng.gamma(4.0, 1.0, samples)
        found = certify([an_option(times)], 0.05, 0.05, Evidence.AMBIGUOUS)
        cantelli = times.std(ddof=1) * np.sqrt(19.0)
        assert found.excess_s[0] > cantelli
    assert found.excess_s[0] < 1.2 * cantelli
    few = certify([an_option(times[:12])], 0.05, 0.05, Evidence.AMBIGUOUS)
    assert few.missing == (18,)
