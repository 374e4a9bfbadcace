"""The module a device carries, with tables as the service sends them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client import edge
from client.edge import BadTable, RateTable, RiskMonitor, StoppingTable
from solvers.evidence.betting import MULTIPLES, log_e_value, log_wealth
from solvers.multiuser.replay import decide
from solvers.multiuser.solve import build_table
from solvers.multiuser.table import TableProblem


def a_rate_row(**change: Any) -> dict[str, Any]:
    return {
        "rate_from_bps": 0.0,
        "rate_to_bps": None,
        "cut": 3,
        "cut_name": "conv3",
        "bits": 8,
        "cost_from": None,
        "cost_to": 0.1,
        "fixed_cost": 0.1,
        "cost_per_inverse_rate": 0.0,
        "late_below_bps": 0.0,
    } | change


def two_rows() -> list[dict[str, Any]]:
    """All on the device at 0.3 s below 1 Mbit/s, 0.1 s and 200 kbit above."""
    return [
        a_rate_row(rate_to_bps=1e6, cut=9, bits=32, fixed_cost=0.3),
        a_rate_row(rate_from_bps=1e6, cut=2, fixed_cost=0.1, cost_per_inverse_rate=2e5),
    ]


def a_table_problem(deadline_s: float = np.inf) -> TableProblem:
    return TableProblem(
        latency_weight_per_s=1.0,
        loss_weight=0.5,
        deadline_s=deadline_s,
        cut=np.array([0, 0, 1, 2, 3]),
        bits=np.array([32, 8, 8, 8, 32]),
        device_s=np.array([0.0, 0.0, 0.05, 0.12, 0.3]),
        crossing_bit=np.array([4.8e6, 1.2e6, 8e5, 1e5, 0.0]),
        server_s=np.array([0.02, 0.02, 0.015, 0.01, 0.0]),
        loss=np.array([0.0, 0.02, 0.01, 0.01, 0.0]),
    )


def test_intervals_are_closed_below_and_open_above() -> None:
    table = RateTable(two_rows())
    assert [table.best(rate).cut for rate in (0.0, 999_999.9, 1e6, 1e12)] == [9, 9, 2, 2]  # type: ignore[union-attr]


def test_hysteresis_keeps_the_current_option_until_the_gain_is_worth_it() -> None:
    table = RateTable(two_rows(), hysteresis=0.1)
    assert table.decide(0.5e6).cut == 9  # type: ignore[union-attr]
    assert table.decide(1.1e6).cut == 9  # type: ignore[union-attr]  # 0.282 is not below 0.9 × 0.3
    assert table.decide(1.2e6).cut == 2  # type: ignore[union-attr]  # 0.267 is
    assert table.decide(0.95e6).cut == 2  # type: ignore[union-attr]  # 0.3 is not below 0.9 × 0.31
    assert table.decide(0.0).cut == 9  # type: ignore[union-attr]  # nothing can be sent at rate 0


def test_a_late_option_is_left_at_once() -> None:
    rows = two_rows()
    rows[1]["late_below_bps"] = 0.99e6
    table = RateTable(rows, hysteresis=0.5)
    table.decide(5e6)
    assert table.decide(0.995e6).cut == 2  # type: ignore[union-attr]
    assert table.decide(0.98e6).cut == 9  # type: ignore[union-attr]


def test_nothing_fits_is_none_and_recovers() -> None:
    rows = two_rows()
    rows[0] = a_rate_row(
        rate_to_bps=1e6,
        cut=None,
        cut_name=None,
        bits=None,
        cost_to=None,
        fixed_cost=None,
        cost_per_inverse_rate=None,
        late_below_bps=None,
    )
    table = RateTable(rows, hysteresis=0.3)
    assert table.decide(2e6).cut == 2  # type: ignore[union-attr]
    assert table.decide(5e5) is None
    assert table.decide(2e6).cut == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("deadline_s", [np.inf, 0.35, 0.25])
@pytest.mark.parametrize("hysteresis", [0.0, 0.05, 0.3])
def test_device_and_replay_decide_alike(deadline_s: float, hysteresis: float) -> None:
    problem = a_table_problem(deadline_s)
    table = build_table(problem)
    text = json.dumps({"schema_version": edge.SCHEMA_VERSION, "rows": table.rows(problem)})
    device = RateTable.load(text, hysteresis)
    rate = np.exp(np.random.default_rng(3).normal(np.log(4e6), 1.5, 3_000))
    chosen = [device.decide(float(at)) for at in rate]
    expected = decide(problem, table, rate, hysteresis)
    assert [None if row is None else (row.cut, row.bits) for row in chosen] == [
        None if option < 0 else (problem.cut[option], problem.bits[option]) for option in expected
    ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"rate_from_bps": 1.0}, "row 0: rate_from_bps"),
        ({"rate_to_bps": 5.0}, "last row"),
        ({"rate_to_bps": -1.0}, "row 0: rate_to_bps"),
        ({"fixed_cost": None}, "row 0"),
        ({"cut": "conv3"}, "invalid literal"),
    ],
)
def test_broken_rows_are_refused(change: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        RateTable([a_rate_row(**change)])


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"schema_version": 2, "rows": [{}]}', '{"schema_version": 1, "rows": []}']
)
def test_other_documents_are_refused(text: str) -> None:
    with pytest.raises(BadTable):
        RateTable.load(text)


@pytest.mark.parametrize("rate", [-1.0, float("nan")])
def test_a_broken_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate_bps"):
        RateTable(two_rows()).decide(rate)


def stopping_rows() -> list[dict[str, Any]]:
    return [
        {"cut": 0, "offload": "threshold", "rate_bps": 5e6, "in_outage": "wait"},
        {"cut": 1, "offload": "never", "in_outage": "continue"},
        {
            "cut": 2,
            "offload": "threshold",
            "rate_bps": None,
            "in_outage": "continue",
            "stop_states": [1],
            "wait_states": [2],
        },
        {"cut": 3, "offload": "always", "in_outage": "wait"},
    ]


@pytest.mark.parametrize(
    ("cut", "rate_bps", "state", "expected"),
    [
        (0, 5e6, None, "offload"),
        (0, 4.9e6, None, "continue"),
        (0, 0.0, None, "wait"),
        (1, 1e12, None, "continue"),
        (2, 1e6, 1, "offload"),
        (2, 9e6, 0, "continue"),
        (2, 9e6, 2, "wait"),
        (2, 0.0, 1, "continue"),
        (3, 1.0, None, "offload"),
        (3, 0.0, None, "wait"),
    ],
)
def test_stopping(cut: int, rate_bps: float, state: int | None, expected: str) -> None:
    table = StoppingTable.load(json.dumps({"schema_version": 1, "rows": stopping_rows()}))
    assert table.decide(cut, rate_bps, state) == expected


def test_stopping_by_state_needs_the_state() -> None:
    with pytest.raises(ValueError, match="state"):
        StoppingTable(stopping_rows()).decide(2, 1e6)


def test_beyond_the_placement_there_is_no_row() -> None:
    with pytest.raises(KeyError):
        StoppingTable(stopping_rows()).decide(4, 1e6)


@pytest.mark.parametrize(
    "change", [{"offload": "maybe"}, {"in_outage": "run"}, {"offload": "threshold"}, {"cut": None}]
)
def test_broken_stopping_rows_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadTable):
        StoppingTable([{"cut": 0, "offload": "never", "in_outage": "wait"} | change])


def test_a_cut_has_one_row() -> None:
    with pytest.raises(BadTable, match="already"):
        StoppingTable(stopping_rows() + stopping_rows()[:1])


def test_the_file_works_alone(tmp_path: Path) -> None:
    (tmp_path / "edge.py").write_bytes(Path(edge.__file__).read_bytes())
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import edge
print(edge.RateTable({two_rows()!r}).decide(2e6).cut)
"""
    alone = [sys.executable, "-I", "-S", "-c", program]
    assert subprocess.run(alone, capture_output=True, text=True, check=True).stdout.strip() == "2"


class TestRiskMonitor:
    """The number that refutes a promised risk, on the device."""

    @pytest.mark.parametrize("risk", [0.001, 0.05, 0.4])
    def test_it_is_the_game_that_the_service_plays(self, risk: float) -> None:
        rng = np.random.default_rng(0)
        monitor, wealth = RiskMonitor(risk), np.zeros(len(MULTIPLES))
        for late in rng.random(500) < 1.5 * risk:
            monitor.observe(bool(late))
            wealth = log_wealth(wealth, 1, int(late), risk)
            assert np.log(monitor.e_value) == pytest.approx(float(log_e_value(wealth)), abs=1e-9)

    def test_a_broken_promise_is_refuted_and_stays_so(self) -> None:
        monitor = RiskMonitor(0.02, fallback_cut=8)
        refuted = [monitor.observe(late=n % 5 == 0) for n in range(300)]
        first = refuted.index(True)
        assert first < 100
        assert all(refuted[first:])
        assert not any(monitor.observe(late=False) is False for _ in range(5000))
        assert monitor.e_value < 20.0  # and yet the evidence was there
        assert monitor.fallback_cut == 8

    def test_a_kept_promise_stays_unrefuted(self) -> None:
        rng = np.random.default_rng(1)
        alarms = 0
        for _ in range(100):
            monitor = RiskMonitor(0.05)
            alarms += any(monitor.observe(bool(late)) for late in rng.random(1000) < 0.05)
        assert alarms <= 12

    def test_a_report_comes_back_until_it_is_acknowledged(self) -> None:
        monitor = RiskMonitor(0.1)
        assert monitor.report() is None
        for late in (False, True, False):
            monitor.observe(late)
        first = {"sequence": 1, "inferences": 3, "misses": 1}
        assert monitor.report() == first
        monitor.observe(True)
        assert monitor.report() == first
        monitor.acknowledge(7)
        assert monitor.report() == first
        monitor.acknowledge(1)
        assert monitor.report() == {"sequence": 2, "inferences": 1, "misses": 1}
        monitor.acknowledge(1)
        assert monitor.report() is not None
        monitor.acknowledge(2)
        assert monitor.report() is None

    def test_a_restart_changes_nothing(self) -> None:
        monitor = RiskMonitor(0.03, confidence=0.99, fallback_cut=3)
        for n in range(200):
            monitor.observe(late=n % 20 == 0)
            if n == 50:
                monitor.report()
        again = RiskMonitor.load(monitor.state())
        assert again.state() == monitor.state()
        assert again.e_value == monitor.e_value
        assert again.report() == monitor.report()
        assert [again.observe(True) for _ in range(40)] == [
            monitor.observe(True) for _ in range(40)
        ]

    def test_refuses_what_is_no_promise(self) -> None:
        for risk, confidence in ((0.0, 0.9), (1.0, 0.9), (float("nan"), 0.9), (0.1, 1.0)):
            with pytest.raises(ValueError, match="must be in"):
                RiskMonitor(risk, confidence)
        for text in ("{}", '{"schema_version": 1}', '{"schema_version": 9, "risk": 0.1}', "[]"):
            with pytest.raises(BadTable):
                RiskMonitor.load(text)
