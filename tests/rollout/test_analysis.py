"""What the evidence of two arms says."""

from __future__ import annotations

import numpy as np
import pytest

from pressrun.agreement import Expected
from pressrun.config.pipeline import Budgets, Rollout
from pressrun.rollout.analysis import judge
from pressrun.rollout.evidence import Evidence
from pressrun.rollout.windows import OURS, THEIRS, ArmWindow, Window
from pressrun.verdict import Comparison, Decision
from pressrun.verdict.model import decide
from tests.rollout.test_evidence import evidence_of, windows_of

POLICY = Rollout(min_requests=100)
DECLINING = Rollout(min_requests=100, budgets=Budgets(abstention=0.1))


def decision_of(evidence: Evidence, policy: Rollout = POLICY, *, final: bool = True) -> Decision:
    return decide(judge(evidence, policy, final=final))


def check_of(evidence: Evidence, metric: str, policy: Rollout = POLICY, *, final: bool = True) -> Comparison:
    found = next(check for check in judge(evidence, policy, final=final) if check.metric == metric)
    assert isinstance(found, Comparison)
    return found


def test_an_equal_candidate_passes() -> None:
    assert decision_of(evidence_of(windows_of(40))) is Decision.PASS


@pytest.mark.parametrize(
    ("metric", "windows"),
    [
        ("error_rate", windows_of(30, errors=0.1)),
        ("latency_ratio", windows_of(20, slower=3.0)),
        ("disagreement", [w.model_copy(update={"disagreements": 8}) for w in windows_of(20)]),
    ],
)
def test_each_regression_fails_its_own_check(metric: str, windows: list[Window]) -> None:
    checks = judge(evidence_of(windows), POLICY)
    assert [c.metric for c in checks if c.decision is Decision.FAIL] == [metric]
    failed = check_of(evidence_of(windows), metric)
    assert failed.low is not None
    assert failed.threshold is not None
    assert failed.low >= failed.threshold


@pytest.mark.parametrize(("declined", "decision"), [(0, Decision.PASS), (5, Decision.FAIL)])
def test_answers_that_only_the_candidate_declines_have_a_budget_of_their_own(declined: int, decision: Decision) -> None:
    windows = [window.model_copy(update={"declined": declined}) for window in windows_of(40)]
    found = check_of(evidence_of(windows, DECLINING), "abstention", DECLINING)
    assert (found.decision, found.candidate, found.champion) == (decision, declined / 10, None)
    assert f"{declined / 10:.1%} of 400 shadowed pairs are declined by the candidate alone, 10% allowed" in found.reason


def test_a_check_of_pairs_says_what_the_gate_had_seen() -> None:
    expected = Expected(rows=200, disagreement=0.08)
    checks = judge(evidence_of(windows_of(20), DECLINING), DECLINING, expected=expected)
    said = {check.metric: check.reason for check in checks}
    assert said["disagreement"].endswith("; at the gate 8.0% of 200")
    assert "at the gate" not in said["abstention"] + said["error_rate"]


def test_two_slow_requests_in_a_hundred_are_found_although_the_typical_one_is_as_fast() -> None:
    rng, windows = np.random.default_rng(2), windows_of(60, seed=9)
    spoilt = []
    for window in windows:
        ours = window.arm(OURS)
        latencies = dict(ours.latencies)
        for bucket in rng.choice(sorted(latencies), int(rng.binomial(20, 0.02))):
            if latencies[bucket] > 0:
                latencies[bucket] -= 1
                latencies[170] = latencies.get(170, 0) + 1
        slow = ours.model_copy(update={"latencies": latencies})
        spoilt.append(window.model_copy(update={"arms": {**window.arms, OURS: slow}}))
    assert check_of(evidence_of(windows), "latency_ratio").decision is Decision.PASS
    assert check_of(evidence_of(spoilt), "latency_ratio").decision is Decision.FAIL


def test_an_early_step_is_left_when_nothing_is_against_it_but_all_traffic_needs_more() -> None:
    seen = evidence_of(windows_of(5))
    early, last = (check_of(seen, "error_rate", final=final) for final in (False, True))
    assert (early.decision, last.decision) == (Decision.PASS, Decision.INSUFFICIENT)
    assert "so far within" in early.reason
    assert "not yet shown" in last.reason


def test_a_step_has_to_look_good_by_its_own_traffic() -> None:
    seen = evidence_of(windows_of(40)).entered()
    assert decision_of(seen) is Decision.INSUFFICIENT
    worse = [w.model_copy(update={"source": "next"}) for w in windows_of(2, errors=0.2)]
    for window in worse:
        seen = seen.take(window, POLICY)
    assert check_of(seen, "error_rate", final=False).decision is not Decision.PASS


def test_too_few_requests_are_insufficient_never_a_pass() -> None:
    assert decision_of(Evidence()) is Decision.INSUFFICIENT
    few = Window(source="s", sequence=1, arms={arm: ArmWindow(requests=3, latencies={99: 3}) for arm in (OURS, THEIRS)})
    assert decision_of(evidence_of([few]), final=False) is Decision.INSUFFICIENT


def same_windows(ours: int, theirs: int) -> list[Window]:
    arms = {OURS: ArmWindow(requests=50, latencies={ours: 50}), THEIRS: ArmWindow(requests=50, latencies={theirs: 50})}
    return [Window(source="s", sequence=n, arms=arms, pairs=10) for n in range(30)]


def test_differences_too_small_to_notice_are_no_regression() -> None:
    assert decision_of(evidence_of(same_windows(70, 33))) is Decision.PASS


def test_what_is_fast_enough_is_the_policys_to_say() -> None:
    slow, patient = same_windows(140, 100), Rollout(budgets=Budgets(latency_floor_ms=1000.0))
    assert decision_of(evidence_of(slow)) is Decision.FAIL
    assert decision_of(evidence_of(slow, patient), patient) is Decision.PASS


def test_what_was_left_out_and_what_is_of_another_time_is_said() -> None:
    windows = [w.model_copy(update={"concurrent": False}) for w in windows_of(30)]
    lost = evidence_of([*windows[:10], *windows[12:]])
    check = check_of(lost, "error_rate")
    assert "windows left out: 2 missing" in check.reason
    assert "28 against earlier windows of the champion" in check.method


def test_equal_candidates_are_rolled_back_at_any_look_less_often_than_promised() -> None:
    alarms = 0
    for seed in range(4):
        seen = Evidence()
        for window in windows_of(20, seed=seed):
            seen = seen.take(window, Rollout(budgets=Budgets(error_rate=0.0, latency_ratio=1.01)))
            alarms += decision_of(seen, Rollout(budgets=Budgets(error_rate=0.0, latency_ratio=1.01))) is Decision.FAIL
    assert alarms == 0
