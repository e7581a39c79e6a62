"""How windows become evidence: each once, whatever is replayed, lost or reset on the way."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pressrun.config.pipeline import Budgets, Rollout
from pressrun.rollout import tracks
from pressrun.rollout.evidence import ALPHA, Evidence, alphas_of
from pressrun.rollout.windows import OURS, THEIRS, ArmWindow, Count, Window, rebucketed
from pressrun.stats.sequential import bucketed

POLICY = Rollout()


def arm_of(rng: np.random.Generator, requests: int, *, errors: float = 0.0, slower: float = 1.0) -> ArmWindow:
    failed = int(rng.binomial(requests, errors))
    counts = bucketed(rng.lognormal(3, 0.4, requests - failed) * slower)
    latencies = {int(bucket): int(counts[bucket]) for bucket in np.flatnonzero(counts)}
    return ArmWindow(requests=requests, errors=failed, latencies=latencies)


def windows_of(count: int, *, seed: int = 0, errors: float = 0.0, slower: float = 1.0) -> list[Window]:
    """Windows of 20 requests of the candidate and 40 of the champion, with pairs that mostly agree."""
    rng = np.random.default_rng(seed)
    return [
        Window(
            source="router", sequence=number, pairs=10, disagreements=int(rng.binomial(10, 0.1)),
            arms={OURS: arm_of(rng, 20, errors=errors, slower=slower), THEIRS: arm_of(rng, 40)},
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


def evidence_of(windows: list[Window], policy: Rollout = POLICY) -> Evidence:
    found = Evidence()
    for window in windows:
        found = found.take(window, policy)
    return found


WINDOWS = windows_of(6, errors=0.1)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 5), max_size=4))
def test_replayed_windows_and_a_restart_spend_no_alpha_twice(replayed: list[int]) -> None:
    once = evidence_of(WINDOWS)
    again = evidence_of(WINDOWS[:4])
    for number in replayed:
        again = again.take(WINDOWS[min(number, 4) - 1], POLICY)
    again = Evidence.model_validate_json(again.model_dump_json())
    for window in WINDOWS[3:]:
        again = again.take(window, POLICY)
    assert again.take(WINDOWS[-1], POLICY) == again
    assert again.model_copy(update={"stale": 0}) == once


def test_missing_stale_and_reset_windows_are_counted_and_never_good() -> None:
    seen = evidence_of([WINDOWS[0], WINDOWS[3]])
    assert seen.missing == 2
    stale = seen.take(WINDOWS[1], POLICY)
    assert (stale.stale, stale.tracks) == (1, seen.tracks)
    reset = seen.take(WINDOWS[4].model_copy(update={"problem": "reset"}), POLICY)
    assert (reset.reset, reset.tracks, reset.total) == (1, seen.tracks, seen.total)
    assert reset.take(WINDOWS[4], POLICY) == reset
    other = seen.take(WINDOWS[0].model_copy(update={"source": "gateway"}), POLICY)
    assert other.total.windows == 3


def test_more_errors_than_requests_are_refused_where_they_are_counted() -> None:
    with pytest.raises(ValidationError, match="3 of 2 is more than all"):
        Count(bad=3, of=2)


def test_the_metrics_share_one_alpha() -> None:
    policy = Rollout(budgets=Budgets(abstention=0.1, outcomes={"unclicked": 0.05}))
    assert sum(alphas_of(policy).values()) == pytest.approx(ALPHA)
    assert "disagreement" not in alphas_of(Rollout(shadow=0))


def test_the_interval_only_narrows_and_its_trail_stays_short_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "MOST_LOOKS", 20)
    seen = evidence_of(windows_of(50, errors=0.02, seed=3))
    for metric in ("error_rate", "latency_ratio", "disagreement"):
        looks = seen.tracks[metric].looks
        assert 10 <= len(looks) <= 20
        assert looks[0].number < 5
        assert looks[-1].number > 40
        lows = [look.low for look in looks if look.low is not None]
        highs = [look.high for look in looks if look.high is not None]
        assert lows == sorted(lows)
        assert highs == sorted(highs, reverse=True)
    assert len(seen.model_dump_json()) < 100_000


def test_the_budget_is_a_margin_and_its_bets_decide_both_ways() -> None:
    bad, good = evidence_of(windows_of(40, errors=0.15)), evidence_of(windows_of(40))
    assert bad.tracks["error_rate"].log_e(0.01)[0] > log(1 / alphas_of(POLICY)["error_rate"])
    assert good.tracks["error_rate"].log_e(0.01)[1] > 3
    assert good.tracks["latency_ratio"].log_e(1.5)[1] > 10
    assert good.tracks["latency_ratio"].interval(0.02, 0.03)[1] == 1.25


def test_a_fresh_baseline_stands_for_the_champion() -> None:
    window = WINDOWS[0].model_copy(update={"arms": {**WINDOWS[0].arms, "baseline": ArmWindow(requests=7)}})
    assert window.arm(THEIRS).requests == 7
    assert evidence_of([window]).total.count("error_rate", THEIRS).of == 7


def test_a_products_outcome_is_judged_as_errors_are() -> None:
    policy = Rollout(budgets=Budgets(outcomes={"unclicked": 0.02}))
    arms = {
        OURS: ArmWindow(requests=50, outcomes={"unclicked": Count(bad=45, of=50)}),
        THEIRS: ArmWindow(requests=50, outcomes={"unclicked": Count(bad=20, of=50)}),
    }
    seen = evidence_of([Window(source="clicks", sequence=n, arms=arms) for n in range(3)], policy)
    assert seen.tracks["unclicked"].log_e(0.02)[0] > 5


def test_senders_with_other_buckets_are_added_up_in_one_scale_and_judged_in_their_own() -> None:
    arms = {arm: ArmWindow(requests=30, latencies={0: 20, 1: 9, 2: 1}) for arm in (OURS, THEIRS)}
    seen = evidence_of([Window(source="gateway", sequence=n, bounds=(10.0, 100.0), arms=arms) for n in range(1, 9)])
    kept = seen.total.latencies[OURS]
    assert sorted(kept.values()) == [8, 72, 160]
    assert rebucketed(kept, (10.0, 100.0)).tolist() == [160, 72, 8]
    mixed, fine = seen.take(WINDOWS[0], POLICY), WINDOWS[0].arm(OURS)
    assert sum(mixed.total.latencies[OURS].values()) == 8 * 30 + fine.requests - fine.errors


def test_buckets_coarser_than_the_budget_never_show_that_it_is_kept() -> None:
    arms = {arm: ArmWindow(requests=50, latencies={1: 50}) for arm in (OURS, THEIRS)}
    for bounds, shown in (((10.0, 100.0), False), ((10.0, 12.0), True)):
        seen = evidence_of([Window(source="gateway", sequence=n, bounds=bounds, arms=arms) for n in range(1, 9)])
        assert (seen.tracks["latency_ratio"].log_e(1.5)[1] > 3) is shown


def test_sticky_readers_bursts_are_found_and_divide_the_evidence() -> None:
    rng = np.random.default_rng(4)
    bursts = [
        Window(
            source="router", sequence=n,
            arms={
                OURS: ArmWindow(requests=100, errors=int(rng.choice([0, 20]))),
                THEIRS: ArmWindow(requests=100, errors=int(rng.choice([0, 20]))),
            },
        )
        for n in range(60)
    ]  # fmt: skip
    assert evidence_of(bursts).tracks["error_rate"].dispersion > 3
